package certificate

import (
	"fmt"
	"slices"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/certify"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// Limits of a tracker.
const (
	// maxOpen is how many checkpoints wait for signatures; the oldest make room, since later ones cover them.
	maxOpen = 256
	// maxSign is how many of the newest checkpoints this validator signs at a time: who is behind leaves the
	// older ones to the others.
	maxSign = 4
	// maxEarly is how many signatures of an author are kept for commits that are not made here yet, and
	// earlyReach how far ahead those may be.
	maxEarly   = 64
	earlyReach = 4096
	// passOver is for how many commits the signatures of an author are passed over that has sent a wrong one: to find
	// out whose it is takes all that are there, so that f of them, each at its time, would keep everybody at work.
	passOver = 1024
)

// Tracker certifies the commits of one node. It is not safe for concurrent use. Sign and Work do the expensive
// steps: 0.8 ms to sign a checkpoint, 2.5 ms to combine and verify a certificate, less for many at once.
type Tracker struct {
	committee *dag.Committee
	self      dag.Author // or ordering.Observer
	keys      keygen.Succession[*key]
	open      []*checkpoint
	head      dag.CommitIndex
	early     map[dag.CommitIndex][]said
	byAuthor  []int             // signatures in early
	trusted   []dag.CommitIndex // by author: whose signatures count only above this commit
	certified dag.CommitIndex
	done      []*Certificate
	faults    []Fault
}

// key is a certificate key with what this validator can do with it.
type key struct {
	keygen.Key
	public *certify.Committee
	secret *certify.Share // nil without a share
}

// checkpoint is one commit that is to be certified.
type checkpoint struct {
	ref    dag.CommitRef
	epoch  dag.Epoch
	key    *key
	from   dag.AuthorSet // whose signature was taken, right or not
	said   []said
	signed bool // by this validator, or left to the others
}

// said is a signature as its author's block says it.
type said struct {
	block     dag.Ref
	signature certify.Signature
}

// Fault is a wrong signature: Block, which its author signed, is the evidence.
type Fault struct {
	Block     dag.Ref
	Commit    dag.CommitRef
	Signature certify.Signature
}

// New is the tracker of a node that has a certificate of commit certified, 0 for none. Earlier commits need no
// other.
func New(c *dag.Committee, self dag.Author, certified dag.CommitIndex) *Tracker {
	return &Tracker{
		committee: c, self: self, certified: certified, head: certified,
		early: make(map[dag.CommitIndex][]said), byAuthor: make([]int, c.Size()), trusted: make([]dag.CommitIndex, c.Size()),
	}
}

// AddKey takes a key that the log has made, before any commit that it serves in. share is this validator's,
// nil if it has none. Errors are the caller's: the log makes no such key. With 100 validators it takes 6 ms.
func (t *Tracker) AddKey(k keygen.Key, share *dkg.Share) error {
	public, err := certify.NewCommittee(k.Public, k.Threshold, k.Shares)
	if err != nil {
		return fmt.Errorf("certificate key %d: %w", k.ID, err)
	}
	added := &key{Key: k, public: public}
	if share != nil && *share != (dkg.Share{}) { // a share of zero signs nothing
		if added.secret, err = certify.NewShare(share[:]); err != nil {
			return fmt.Errorf("share of certificate key %d: %w", k.ID, err)
		}
	}
	t.keys.Add(added)
	return nil
}

// Commit takes a commit of the local order; commits may be left out. It does not keep it.
func (t *Tracker) Commit(c *ordering.Commit) {
	if c.Index <= t.head {
		return
	}
	t.head = c.Index
	k := t.keys.In(c.Index)
	if k != nil && c.Checkpoint() == c.Index {
		t.begin(&checkpoint{ref: c.Ref(), epoch: c.Epoch, key: k, signed: k.secret == nil})
	}
	t.forgetEarly()
}

func (t *Tracker) begin(p *checkpoint) {
	t.open = append(t.open, p)
	if len(t.open) > maxOpen {
		t.open[0] = nil
		t.open = t.open[1:]
	}
	for _, s := range t.early[p.ref.Index] {
		t.count(p, s)
	}
}

// forgetEarly drops what was kept for commits that are made by now.
func (t *Tracker) forgetEarly() {
	for i, list := range t.early {
		if i > t.head {
			continue
		}
		for _, s := range list {
			t.byAuthor[s.block.Author]--
		}
		delete(t.early, i)
	}
}

// count counts a signature, the first of each author that is trusted.
func (t *Tracker) count(p *checkpoint, s said) {
	if !p.from.Has(s.block.Author) && p.ref.Index > t.trusted[s.block.Author] {
		p.from.Add(s.block.Author)
		p.said = append(p.said, s)
	}
}

// Signatures takes those that stand in an accepted block. Those of other commits than open checkpoints are passed
// over. Errors wrap ordering.ErrSigned.
func (t *Tracker) Signatures(seen ordering.SignaturesSeen) error {
	signed, err := ordering.DecodeSigned(seen.Payload)
	if err != nil {
		return err
	}
	for _, s := range signed {
		t.take(s.Commit, said{seen.Block, s.Signature})
	}
	return nil
}

func (t *Tracker) take(i dag.CommitIndex, s said) {
	if i <= t.head {
		if at := slices.IndexFunc(t.open, func(p *checkpoint) bool { return p.ref.Index == i }); at >= 0 {
			t.count(t.open[at], s)
		}
		return
	}
	if author := s.block.Author; i <= t.head+earlyReach && t.byAuthor[author] < maxEarly {
		t.byAuthor[author]++
		t.early[i] = append(t.early[i], s)
	}
}

// Sign gives this validator's signatures of checkpoints that it has not signed, by ascending commit.
func (t *Tracker) Sign() []ordering.Signed {
	var out []ordering.Signed
	for at, p := range t.open {
		if p.signed {
			continue
		}
		p.signed = true
		if at < len(t.open)-maxSign {
			continue
		}
		signature := p.key.secret.Sign(p.message(t.committee))
		out = append(out, ordering.Signed{Commit: p.ref.Index, Signature: signature})
		t.count(p, said{dag.Ref{Author: t.self}, signature})
	}
	return out
}

func (p *checkpoint) certificate() *Certificate {
	return &Certificate{Commit: p.ref, Epoch: p.epoch, Key: p.key.ID}
}

func (p *checkpoint) message(c *dag.Committee) crypto.Digest {
	return p.certificate().Message(c.Network())
}

// Take hands out the certificates that were made since the last call. One of an older commit may come later.
func (t *Tracker) Take() []*Certificate {
	out := t.done
	t.done = nil
	return out
}

// Faults hands out the wrong signatures that were found since the last call.
func (t *Tracker) Faults() []Fault {
	out := t.faults
	t.faults = nil
	return out
}

// Certified is the newest certified commit; all before it are certified by it.
func (t *Tracker) Certified() dag.CommitIndex { return t.certified }

// Head is the newest commit that the tracker has been given.
func (t *Tracker) Head() dag.CommitIndex { return t.head }

// Open is how many checkpoints wait for signatures.
func (t *Tracker) Open() int { return len(t.open) }
