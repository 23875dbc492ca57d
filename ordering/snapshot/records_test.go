package snapshot_test

import (
	"errors"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/snapshot"
	"github.com/dunlin-network/dunlin/ordering/snapshot/snapshottest"
)

// TestQueries: a query reads back, and no other bytes are one.
func TestQueries(t *testing.T) {
	for _, q := range []snapshot.Query{
		{Kind: snapshot.AskReach},
		{Kind: snapshot.AskProof},
		{Kind: snapshot.AskStates, At: 5},
		{Kind: snapshot.AskWindow, At: dag.ValidityWindow, Low: 1},
		{Kind: snapshot.AskDeals, At: 5},
		{Kind: snapshot.AskDeals, At: 5, Low: 9000},
	} {
		if got, err := snapshot.DecodeQuery(q.Encode()); err != nil || got != q {
			t.Errorf("%+v reads back as %+v, %v", q, got, err)
		}
	}
	for _, q := range []snapshot.Query{
		{},
		{Kind: 9},
		{Kind: snapshot.AskReach, At: 1},
		{Kind: snapshot.AskProof, Low: 1},
		{Kind: snapshot.AskStates},
		{Kind: snapshot.AskDeals},
		{Kind: snapshot.AskDeals, At: 5, Low: 1 << 20},
		{Kind: snapshot.AskWindow, At: 5},
		{Kind: snapshot.AskWindow, At: 5, Low: 6},
		{Kind: snapshot.AskWindow, At: dag.ValidityWindow + 1, Low: 1},
	} {
		if _, err := snapshot.DecodeQuery(q.Encode()); !errors.Is(err, snapshot.ErrSnapshot) {
			t.Errorf("%+v is taken: %v", q, err)
		}
	}
}

// FuzzRecords: no bytes make a check panic, or are taken for what they are not.
func FuzzRecords(f *testing.F) {
	chain := snapshottest.New(f, 20)
	head := chain.Commits[14]
	f.Add(snapshot.EncodeHead(head))
	f.Add(snapshot.EncodeHeader(&chain.Commits[15].CommitHeader))
	f.Add(snapshot.EncodeCommit(head.EncodeRecord()))
	f.Add(snapshot.EncodeWitness(chain.Witnesses(15)[0]))
	f.Add(snapshot.EncodeState(ordering.State{Kind: ordering.SealingKey, Encoded: []byte("state")}))
	states, err := ordering.ReadStates(head, func(i dag.CommitIndex) (*ordering.Commit, error) { return chain.Commits[i-1], nil })
	left := len(chain.Deals(head.Index))
	if err != nil || left == 0 {
		f.Fatal(left, err)
	}
	f.Add(snapshot.EncodeDeal(chain.Deals(head.Index)[0].Bytes()))
	f.Fuzz(func(t *testing.T, record []byte) {
		p := snapshot.NewProof(chain.Config.Committee)
		if p.Take(record) == nil {
			if _, err := p.Head(); err == nil {
				t.Fatal("a head without witnesses")
			}
			_ = p.Take(record)
		}
		w := snapshot.NewWindow(chain.Config.Committee.Network(), head)
		if c, err := w.Take(record); err == nil && (c.Digest != head.Digest || c.ComputeDigest() != c.Digest) {
			t.Fatalf("commit %v in place of %v", c.Ref(), head.Ref())
		}
		s := snapshot.NewStates(head)
		if s.Take(record) == nil {
			if states, err := s.Finish(chain.Config); err == nil && len(states) > 0 && len(head.States) == 0 {
				t.Skip("a state that the digest covers")
			}
		}
		deals, err := snapshot.NewDeals(chain.Config.Committee, head.Index, states)
		if err != nil {
			t.Fatal(err)
		}
		if deal, b, err := deals.Take(record); err == nil && (!deal.In(b.Block()) || deals.Left() != left-1) {
			t.Fatalf("block %v in place of the deal of %v", b.Ref(), deal.Dealer)
		}
		_, _ = snapshot.DecodeReach(record)
		_, _ = snapshot.DecodeQuery(record)
	})
}
