package store

import (
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/dunlin-network/dunlin/crypto/certify"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/certificate"
)

func certificateOf(i dag.CommitIndex) *certificate.Certificate {
	return &certificate.Certificate{Commit: dag.CommitRef{Index: i}, Key: 1, Signature: certify.Signature{byte(i)}}
}

// checkCovers asks for the certificate of each commit up to the newest certified one.
func checkCovers(t *testing.T, s *Store, every, newest dag.CommitIndex) {
	t.Helper()
	for i := max(s.Earliest(), 1); i <= newest+1; i++ {
		got, found, err := s.Certificate(i)
		want := (i + every - 1) / every * every
		if err != nil || found != (i <= newest) || (found && *got != *certificateOf(want)) {
			t.Fatalf("commit %d: %+v, %v, %v; want that of %d", i, got, found, err, want)
		}
	}
}

// TestCertificates: a commit is covered by its own certificate or the next one, from memory, from Badger and
// from both, before and after a restart, and old ones go with their commits.
func TestCertificates(t *testing.T) {
	w := newNetwork(t)
	o := w.options(t.TempDir() + "/data")
	s, _ := w.create(o)
	const every = 3
	for done := dag.CommitIndex(0); done < 1500; done += 300 {
		w.feed(s, 300, 1, 10)
		var made []*certificate.Certificate
		for i := done + every; i <= done+300; i += every {
			made = append(made, certificateOf(i))
		}
		made[0], made[1] = made[1], made[0] // an older one may come later
		check(t, s.PutCertificates(made))
	}
	newest := w.head.Index / every * every
	if s.Certified() != newest {
		t.Fatalf("certified %d, want %d", s.Certified(), newest)
	}
	checkCovers(t, s, every, newest)
	copied(t, s)
	checkCovers(t, s, every, newest)
	check(t, s.Close())
	if err := s.PutCertificates(nil); err == nil {
		t.Error("a closed store takes certificates")
	}
	s, _ = w.open(o)
	if s.Certified() != newest {
		t.Fatalf("certified %d, want %d", s.Certified(), newest)
	}
	checkCovers(t, s, every, newest)
	check(t, s.Close())

	o.Retention, o.leastKept = Retention{Commits: 600}, 300
	s, _ = w.open(o)
	s.settle(5000)
	w.feed(s, 2, 1, 10)
	copied(t, s)
	check(t, s.Close())
	s, _ = w.open(o)
	if s.Earliest() < 500 {
		t.Fatalf("kept from %d on", s.Earliest())
	}
	checkCovers(t, s, every, newest)
	check(t, s.PutCertificates([]*certificate.Certificate{certificateOf(newest + every)}))
	if s.Certified() != w.head.Index {
		t.Errorf("certified %d beyond the head %d", s.Certified(), w.head.Index)
	}
	if _, found, err := s.Certificate(newest + 1); err != nil || !found {
		t.Errorf("a certificate that came before its commit: %v, %v", found, err)
	}
	kept := 0
	check(t, s.badger.each([]byte{prefixCertificate}, []byte{prefixCertificate}, ascending, func(*badger.Item) error { kept++; return nil }))
	if kept > int(w.head.Index-s.Earliest())/every+2 {
		t.Errorf("%d certificates are kept", kept)
	}
}

// TestManyCertificates: memory holds a bounded number.
func TestManyCertificates(t *testing.T) {
	w := newNetwork(t)
	s, _ := w.create(w.options(t.TempDir() + "/data"))
	for i := range dag.CommitIndex(2 * maxRecentCertificates) {
		check(t, s.PutCertificates([]*certificate.Certificate{certificateOf(i + 1)}))
	}
	copied(t, s)
	s.certificates.mu.Lock()
	held := len(s.certificates.recent)
	s.certificates.mu.Unlock()
	if held > maxRecentCertificates {
		t.Errorf("%d in memory", held)
	}
	checkCovers(t, s, 1, 2*maxRecentCertificates)
}
