package snapshot

import (
	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// Proof takes the answer to AskProof. f+1 validators that name a commit prove it, since one of them is honest;
// a snapshot takes 2f+1, of whom f+1 are honest: they hold all that it leads to.
type Proof struct {
	committee *dag.Committee
	head      *ordering.Commit
	chain     []crypto.Digest // of the head and the commits after it
	last      dag.CommitRef   // the end of it
	witnesses dag.AuthorSet
}

// NewProof waits for the first record.
func NewProof(c *dag.Committee) *Proof { return &Proof{committee: c} }

// Take checks the next record. Errors wrap ErrSnapshot, or dag.ErrBlock for a witness that is no block of the
// committee's; the answer is worth nothing then.
func (p *Proof) Take(record []byte) error {
	if len(record) == 0 {
		return wrong("empty record")
	}
	switch {
	case p.head == nil:
		return p.takeHead(record)
	case record[0] == recordHeader && p.witnesses.Len() == 0:
		return p.takeHeader(record[1:])
	case record[0] == recordWitness:
		return p.takeWitness(record[1:])
	}
	return wrong("record of kind %d out of place in a proof", record[0])
}

func (p *Proof) takeHead(record []byte) error {
	c, err := DecodeHead(record)
	if err != nil {
		return err
	}
	if c.Index == 0 || c.Epoch != p.committee.Epoch() {
		return wrong("head is commit %d of epoch %d", c.Index, c.Epoch)
	}
	p.head, p.last, p.chain = c, c.Ref(), []crypto.Digest{c.Digest}
	return nil
}

func (p *Proof) takeHeader(raw []byte) error {
	h, err := ordering.DecodeHeader(raw)
	if err != nil {
		return wrong("header after commit %d: %w", p.last.Index, err)
	}
	if h.Index != p.last.Index+1 || h.Previous != p.last.Digest {
		return wrong("commit %d does not continue %v", h.Index, p.last)
	}
	if len(p.chain) > MaxHeaders {
		return wrong("more than %d commits after the head", MaxHeaders)
	}
	p.last = h.Ref()
	p.chain = append(p.chain, p.last.Digest)
	return nil
}

func (p *Proof) takeWitness(raw []byte) error {
	b, err := dag.Verify(p.committee, raw)
	if err != nil {
		return err
	}
	named := b.Block().LastCommit
	switch {
	case p.witnesses.Has(b.Author()):
		return wrong("two witnesses of %v", b.Author())
	case named.Index < p.head.Index || named.Index > p.last.Index:
		return wrong("witness %v names commit %d, not one of %d to %d", b.Ref(), named.Index, p.head.Index, p.last.Index)
	case p.chain[named.Index-p.head.Index] != named.Digest:
		return wrong("witness %v names another commit %d", b.Ref(), named.Index)
	}
	p.witnesses.Add(b.Author())
	return nil
}

// Head is the proven head: header, digest and Resume, of which Window proves the last. It is an error, which
// wraps ErrSnapshot, while there are too few witnesses.
func (p *Proof) Head() (*ordering.Commit, error) {
	if n := p.witnesses.Len(); p.head == nil || n < p.committee.Quorum() {
		return nil, wrong("%d witnesses, want %d", n, p.committee.Quorum())
	}
	return p.head, nil
}

// Begun reports whether the peer has given a head: one that has nothing to prove gives none, which is no fault.
func (p *Proof) Begun() bool { return p.head != nil }
