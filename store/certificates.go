package store

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/certificate"
)

// maxRecentCertificates is how many certificates stay in memory, beside those that Badger does not have yet.
const maxRecentCertificates = 1024

// certificates is the certificates that readers find without Badger.
type certificates struct {
	mu     sync.Mutex
	recent []*certificate.Certificate // by ascending commit
	queued int                        // how many wait for Badger
	newest dag.CommitIndex
}

// loadCertificates reads how far the certificates reach.
func loadCertificates(b *badgerCopy) (*certificates, error) {
	c := new(certificates)
	err := b.each([]byte{prefixCertificate}, last(prefixCertificate), descending, func(item *badger.Item) error {
		c.newest = dag.CommitIndex(lastNumber(item.Key()))
		return errStop
	})
	return c, err
}

// PutCertificates keeps certificates, which must have been verified. They are readable at once. They are not
// synced: a later one covers those that a power cut takes. One goroutine calls it, any but that of Append.
// It blocks while the copier is too far behind. Errors wrap ErrFatal, or are ErrClosed.
func (s *Store) PutCertificates(made []*certificate.Certificate) error {
	if err := s.usable(); err != nil || len(made) == 0 {
		return err
	}
	s.certificates.add(made)
	return s.copier.put(queued{certificates: made, size: len(made) * (costFixed + certificate.Size)})
}

func (c *certificates) add(made []*certificate.Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range made {
		at, found := c.find(m.Commit.Index)
		if !found {
			c.recent = slices.Insert(c.recent, at, m)
		}
		c.newest = max(c.newest, m.Commit.Index)
	}
	c.queued += len(made)
}

// find is where the first certificate of commit i or a later one stands, and whether it is of i.
func (c *certificates) find(i dag.CommitIndex) (int, bool) {
	return slices.BinarySearchFunc(c.recent, i, func(m *certificate.Certificate, i dag.CommitIndex) int {
		return cmp.Compare(m.Commit.Index, i)
	})
}

// kept tells the memory how many Badger has taken.
func (c *certificates) kept(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queued -= n
	if more := len(c.recent) - maxRecentCertificates; more > 0 && c.queued == 0 {
		c.recent = slices.Delete(c.recent, 0, more)
	}
}

// Certified is the newest commit up to which all are there and certified.
func (s *Store) Certified() dag.CommitIndex {
	head, _ := s.recent.bounds()
	s.certificates.mu.Lock()
	defer s.certificates.mu.Unlock()
	return min(s.certificates.newest, head.Index)
}

// Certificate gives the certificate of commit i or, where it has none, of the next commit that has one: it covers
// i. It gives false where there is none yet. The certificate must not be changed.
func (s *Store) Certificate(i dag.CommitIndex) (*certificate.Certificate, bool, error) {
	s.certificates.mu.Lock()
	at, _ := s.certificates.find(i)
	var recent *certificate.Certificate
	if at < len(s.certificates.recent) {
		recent = s.certificates.recent[at]
	}
	s.certificates.mu.Unlock()
	if err := s.usable(); err != nil || (at > 0 && recent != nil) {
		return recent, recent != nil && err == nil, err
	}
	var stored *certificate.Certificate // an older one may be in Badger alone
	err := s.reading(func() error {
		return s.badger.each([]byte{prefixCertificate}, numberKey(prefixCertificate, uint64(i)), ascending, func(item *badger.Item) error {
			raw, err := s.badger.value(item)
			if err != nil {
				return err
			}
			if stored, err = certificate.Decode(raw); err != nil {
				return corruptBadger(s.badger.dir, err.Error())
			}
			return errStop
		})
	})
	if err != nil {
		return nil, false, fmt.Errorf("read certificate of commit %d: %w", i, err)
	}
	if stored == nil || (recent != nil && recent.Commit.Index < stored.Commit.Index) {
		stored = recent
	}
	return stored, stored != nil, nil
}

func setCertificates(w *batch, made []*certificate.Certificate) error {
	for _, m := range made {
		if err := w.set(numberKey(prefixCertificate, uint64(m.Commit.Index)), m.Encode()); err != nil {
			return err
		}
	}
	return nil
}
