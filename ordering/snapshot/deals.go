package snapshot

import (
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// Deals takes the answers to AskDeals: of every deal that proven states hold the block that brought it in. Parts may come
// from different peers.
type Deals struct {
	committee *dag.Committee
	head      dag.CommitIndex
	wanted    []ordering.Deal
	next      int
	missing   int
}

// NewDeals waits for the block of the first deal in the states of a head, as States.Finish gave them. Errors wrap
// keygen.ErrState.
func NewDeals(c *dag.Committee, head dag.CommitIndex, states []ordering.State) (*Deals, error) {
	wanted, err := ordering.DealsOf(c, states)
	if err != nil {
		return nil, err
	}
	return &Deals{committee: c, head: head, wanted: wanted}, nil
}

// Next asks for what is missing; false when nothing is.
func (d *Deals) Next() (Query, bool) {
	return Query{Kind: AskDeals, At: d.head, Low: dag.CommitIndex(d.next)}, d.next < len(d.wanted)
}

// Left is how many deals come after those that are there or were skipped.
func (d *Deals) Left() int { return len(d.wanted) - d.next }

// Take checks the next record and gives the deal and its block. Errors wrap ErrSnapshot, or dag.ErrBlock for what is no
// block of the committee's; what came before stays good.
func (d *Deals) Take(record []byte) (*ordering.Deal, *dag.Verified, error) {
	if len(record) == 0 || record[0] != recordDeal || d.next == len(d.wanted) {
		return nil, nil, wrong("record out of place among deals")
	}
	b, err := dag.Verify(d.committee, record[1:])
	if err != nil {
		return nil, nil, err
	}
	deal := &d.wanted[d.next]
	if !deal.In(b.Block()) {
		return nil, nil, wrong("block %v does not bring in the deal of %v from commit %d", b.Ref(), deal.Dealer, deal.Commit)
	}
	d.next++
	return deal, b, nil
}

// Skip gives up the next deal, whose block nobody has.
func (d *Deals) Skip() {
	d.next++
	d.missing++
}

// Missing is how many were skipped. Without one of its deals a key cannot be proven to others by who has the snapshot.
func (d *Deals) Missing() int { return d.missing }
