package snapshot_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/snapshot"
	"github.com/dunlin-network/dunlin/ordering/snapshot/snapshottest"
)

// taken is what came of asking one source for a snapshot.
type taken struct {
	head   *ordering.Commit
	window []*ordering.Commit // oldest first
	states []ordering.State
	deals  []*dag.Verified
}

// take asks a source for everything, as a node does.
func take(cfg ordering.Config, s *snapshottest.Source) (out taken, err error) {
	p := snapshot.NewProof(cfg.Committee)
	if err := s.Snapshot(snapshot.Query{Kind: snapshot.AskProof}, p.Take); err != nil {
		return out, err
	}
	if out.head, err = p.Head(); err != nil {
		return out, err
	}
	w := snapshot.NewWindow(cfg.Committee.Network(), out.head)
	for q, more := w.Next(); more; q, more = w.Next() {
		left := w.Left()
		err := s.Snapshot(q, func(record []byte) error {
			c, err := w.Take(record)
			out.window = append(out.window, c)
			return err
		})
		if err != nil {
			return out, err
		}
		if w.Left() == left {
			break
		}
	}
	if err := w.Finish(); err != nil {
		return out, err
	}
	slices.Reverse(out.window)
	states := snapshot.NewStates(out.head)
	if q, ok := states.Query(); ok {
		if err := s.Snapshot(q, states.Take); err != nil {
			return out, err
		}
	}
	if out.states, err = states.Finish(cfg); err != nil {
		return out, err
	}
	deals, err := snapshot.NewDeals(cfg.Committee, out.head.Index, out.states)
	if err != nil {
		return out, err
	}
	for q, more := deals.Next(); more; q, more = deals.Next() {
		left := deals.Left()
		err := s.Snapshot(q, func(record []byte) error {
			_, b, err := deals.Take(bytes.Clone(record))
			out.deals = append(out.deals, b)
			return err
		})
		if err != nil || deals.Left() == left {
			return out, errors.Join(err, errCut)
		}
	}
	return out, nil
}

// errCut says that a source gave less than there is.
var errCut = errors.New("answer cut short")

// TestEngineGoesOnFromASnapshot: an engine that begins from a snapshot makes the commits after it, byte by byte.
func TestEngineGoesOnFromASnapshot(t *testing.T) {
	chain := snapshottest.New(t, 150)
	s := &snapshottest.Source{Chain: chain, Head: 120}
	got, err := take(chain.Config, s)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.states) == 0 || len(got.deals) < 3 {
		t.Fatalf("the history carries %d states with %d deals: the test shows less than it says", len(got.states), len(got.deals))
	}
	for i, want := range chain.Deals(got.head.Index) {
		if !bytes.Equal(got.deals[i].Bytes(), want.Bytes()) {
			t.Errorf("deal %d came with block %v, want %v", i, got.deals[i].Ref(), want.Ref())
		}
	}
	e, err := ordering.NewEngine(chain.Config, ordering.Restored{Head: got.head, Window: got.window, States: got.states})
	if err != nil {
		t.Fatal(err)
	}
	floor := got.head.Round - ordering.GCDepth
	for _, b := range chain.Blocks {
		if b.Round() > floor {
			e.Step(ordering.BlockReceived{From: ordering.Peer(b.Author()), Block: b})
		}
	}
	made := e.Ready().Commits
	if len(made) < 25 {
		t.Fatalf("%d commits after the snapshot", len(made))
	}
	for _, c := range made[:25] {
		if want := chain.Commits[c.Index-1]; !bytes.Equal(c.Encode(), want.Encode()) {
			t.Errorf("commit %d is %v, want %v", c.Index, c.Ref(), want.Ref())
		}
	}
}

// TestLies: nothing that a peer may say in place of a snapshot is taken for one.
func TestLies(t *testing.T) {
	chain := snapshottest.New(t, 100)
	const head = 80
	commit := func(i int) *ordering.Commit { c := *chain.Commits[i-1]; return &c }
	only := func(kind snapshot.Kind, place int, lie func([]byte) []byte) func(snapshot.Query, int, []byte) []byte {
		return func(q snapshot.Query, at int, record []byte) []byte {
			if q.Kind == kind && at == place {
				return lie(record)
			}
			return record
		}
	}
	witnesses := chain.Witnesses(head)
	headers := 0
	for _, w := range witnesses {
		headers = max(headers, int(w.Block().LastCommit.Index)-head)
	}
	first := 1 + headers // place of the first witness
	if headers == 0 {
		t.Fatal("all witnesses name the head: the test shows less than it says")
	}
	for name, lie := range map[string]func(snapshot.Query, int, []byte) []byte{
		"no head": only(snapshot.AskProof, 0, func([]byte) []byte { return nil }),
		"a head of another chain": only(snapshot.AskProof, 0, func([]byte) []byte {
			c := commit(head)
			c.Time++
			return snapshot.EncodeHead(c)
		}),
		"a head that carries something else": only(snapshot.AskProof, 0, func([]byte) []byte {
			c := commit(head)
			c.Resume = append(bytes.Clone(c.Resume), 1)
			return snapshot.EncodeHead(c)
		}),
		"a head that later commits do not stand on": func(q snapshot.Query, at int, r []byte) []byte {
			c := commit(head)
			c.Time++
			switch {
			case q.Kind == snapshot.AskProof && at == 0:
				return snapshot.EncodeHead(c)
			case q.Kind == snapshot.AskWindow && at == 0:
				return snapshot.EncodeCommit(c.EncodeRecord())
			case q.Kind == snapshot.AskProof && at == first: // the one that names the head itself
				for _, w := range chain.Witnesses(head + 1) {
					if w.Author() == witnesses[0].Author() && int(w.Block().LastCommit.Index) <= head+headers {
						return snapshot.EncodeWitness(w)
					}
				}
				return nil
			}
			return r
		},
		"a header left out":      only(snapshot.AskProof, 1, func([]byte) []byte { return nil }),
		"a header twice":         only(snapshot.AskProof, 1, func([]byte) []byte { return snapshot.EncodeHeader(&commit(head).CommitHeader) }),
		"too few witnesses":      func(q snapshot.Query, at int, r []byte) []byte { return leaveOut(q, at >= first+2, r) },
		"no witnesses":           func(q snapshot.Query, at int, r []byte) []byte { return leaveOut(q, at >= first, r) },
		"one witness many times": func(q snapshot.Query, at int, r []byte) []byte { return same(q, at >= first, witnesses[0], r) },
		"a twin of a witness": only(snapshot.AskProof, first+1, func([]byte) []byte {
			b := *witnesses[0].Block()
			b.Time++
			twin, err := dag.Seal(chain.Config.Committee, b, chain.Keys[b.Author])
			if err != nil {
				t.Fatal(err)
			}
			return snapshot.EncodeWitness(twin)
		}),
		"a witness of another commit": only(snapshot.AskProof, first, func([]byte) []byte {
			b := *witnesses[0].Block()
			b.LastCommit.Digest = crypto.Digest{1}
			other, err := dag.Seal(chain.Config.Committee, b, chain.Keys[b.Author])
			if err != nil {
				t.Fatal(err)
			}
			return snapshot.EncodeWitness(other)
		}),
		"an older witness":               only(snapshot.AskProof, first, func([]byte) []byte { return snapshot.EncodeWitness(chain.Blocks[8]) }),
		"a witness with a bad signature": only(snapshot.AskProof, first, func(r []byte) []byte { return flip(r, len(r)-1) }),
		"a header behind a witness": only(snapshot.AskProof, first+1, func([]byte) []byte {
			return snapshot.EncodeHeader(&commit(head + headers + 1).CommitHeader)
		}),
		"a chain of a namespace changed": only(snapshot.AskWindow, busy(chain, head), func([]byte) []byte {
			c := commit(head - busy(chain, head))
			c.Chains = slices.Clone(c.Chains)
			c.Chains[0].After[0] ^= 1
			return snapshot.EncodeCommit(c.EncodeRecord())
		}),
		"a commit left out": only(snapshot.AskWindow, 3, func([]byte) []byte { return nil }),
		"a commit twice":    only(snapshot.AskWindow, 3, func([]byte) []byte { return snapshot.EncodeCommit(commit(head - 2).EncodeRecord()) }),
		"an id changed":     only(snapshot.AskWindow, 3, func(r []byte) []byte { return flip(r, len(r)-1) }),
		"an id too few":     only(snapshot.AskWindow, busy(chain, head), func(r []byte) []byte { return dropLast(chain, head, r) }),
		"a block changed":   only(snapshot.AskWindow, 5, func(r []byte) []byte { return flip(r, 90) }),
		"a window cut short": func(q snapshot.Query, at int, r []byte) []byte {
			return leaveOutWindow(q, q.At-dag.CommitIndex(at) < 40, r)
		},
		"no states": only(snapshot.AskStates, 0, func([]byte) []byte { return nil }),
		"an older state": only(snapshot.AskStates, 0, func([]byte) []byte {
			for _, c := range chain.Commits {
				if len(c.States) > 0 {
					return snapshot.EncodeState(c.States[0])
				}
			}
			return nil
		}),
		"a state cut short":       only(snapshot.AskStates, 0, func(r []byte) []byte { return r[:len(r)-1] }),
		"a state of another kind": only(snapshot.AskStates, 0, func(r []byte) []byte { return flip(r, 1) }),
		"the block of another deal": only(snapshot.AskDeals, 0, func([]byte) []byte {
			return snapshot.EncodeDeal(chain.Deals(head)[1].Bytes())
		}),
		"a block without a deal": only(snapshot.AskDeals, 0, func([]byte) []byte { return snapshot.EncodeDeal(chain.Blocks[len(chain.Blocks)-1].Bytes()) }),
		"a deal nobody signed":   only(snapshot.AskDeals, 1, func(r []byte) []byte { return flip(r, len(r)-1) }),
		"a deal that another signed": only(snapshot.AskDeals, 1, func([]byte) []byte {
			b := *chain.Deals(head)[1].Block()
			b.Author = (b.Author + 1) % snapshottest.Validators
			b.Parents = slices.Clone(b.Parents)
			own := slices.IndexFunc(b.Parents, func(r dag.Ref) bool { return r.Author == b.Author })
			b.Parents[0], b.Parents[own] = b.Parents[own], b.Parents[0]
			other, err := dag.Seal(chain.Config.Committee, b, chain.Keys[b.Author])
			if err != nil {
				t.Fatal(err)
			}
			return snapshot.EncodeDeal(other.Bytes())
		}),
		"a deal too many":    only(snapshot.AskDeals, 0, func(r []byte) []byte { return snapshot.EncodeDeal(chain.Deals(head)[3].Bytes()) }),
		"records of no kind": func(_ snapshot.Query, _ int, r []byte) []byte { return flip(r, 0) },
		"empty records":      func(snapshot.Query, int, []byte) []byte { return []byte{} },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := take(chain.Config, &snapshottest.Source{Chain: chain, Head: head, Change: lie})
			if !errors.Is(err, snapshot.ErrSnapshot) && !errors.Is(err, dag.ErrBlock) {
				t.Errorf("it was taken: %v", err)
			}
		})
	}
}

func leaveOut(q snapshot.Query, lie bool, record []byte) []byte {
	if lie && q.Kind == snapshot.AskProof {
		return nil
	}
	return record
}

func leaveOutWindow(q snapshot.Query, lie bool, record []byte) []byte {
	if lie && q.Kind == snapshot.AskWindow {
		return nil
	}
	return record
}

func same(q snapshot.Query, lie bool, w *dag.Verified, record []byte) []byte {
	if lie && q.Kind == snapshot.AskProof {
		return snapshot.EncodeWitness(w)
	}
	return record
}

func flip(record []byte, at int) []byte {
	out := bytes.Clone(record)
	out[at] ^= 0x55
	return out
}

// busy is the place in the window of a commit that accepted something.
func busy(c *snapshottest.Chain, head int) int {
	for i := head; i > 0; i-- {
		if len(c.Commits[i-1].Accepted) > 0 {
			return head - i
		}
	}
	return -1
}

func dropLast(c *snapshottest.Chain, head int, _ []byte) []byte {
	short := *c.Commits[head-busy(c, head)-1]
	short.Accepted = short.Accepted[:len(short.Accepted)-1]
	return snapshot.EncodeCommit(short.EncodeRecord())
}

// TestWindowProvesWhatTheHeadCarries: a Resume that no digest covers is noticed, whatever stands in it.
func TestWindowProvesWhatTheHeadCarries(t *testing.T) {
	chain := snapshottest.New(t, 30)
	source := &snapshottest.Source{Chain: chain, Head: 20}
	for _, changed := range []bool{false, true} {
		head := *chain.Commits[19]
		if changed {
			head.Resume = flip(head.Resume, len(head.Resume)/2)
		}
		w := snapshot.NewWindow(chain.Config.Committee.Network(), &head)
		if err := w.Finish(); !errors.Is(err, snapshot.ErrSnapshot) {
			t.Errorf("an empty window is whole: %v", err)
		}
		q, _ := w.Next()
		if err := source.Snapshot(q, func(r []byte) error { _, err := w.Take(r); return err }); err != nil {
			t.Fatal(err)
		}
		if err := w.Finish(); (err != nil) != changed {
			t.Errorf("changed %v: %v", changed, err)
		}
	}
}

// TestStatesAreBounded: a peer cannot fill the memory with states that the head does not name, or with one many times.
func TestStatesAreBounded(t *testing.T) {
	chain := snapshottest.New(t, 30)
	head := chain.Commits[29]
	states, err := ordering.ReadStates(head, func(i dag.CommitIndex) (*ordering.Commit, error) { return chain.Commits[i-1], nil })
	if err != nil || len(states) == 0 {
		t.Fatal(len(states), err)
	}
	s := snapshot.NewStates(head)
	if err := s.Take(snapshot.EncodeState(states[0])); err != nil {
		t.Fatal(err)
	}
	for name, state := range map[string]ordering.State{
		"a second time":                 states[0],
		"what this network has none of": {Kind: ordering.Namespaces, Encoded: []byte("x")},
		"of no kind":                    {Kind: 99, Encoded: []byte("x")},
	} {
		if err := s.Take(snapshot.EncodeState(state)); !errors.Is(err, snapshot.ErrSnapshot) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestChainsAreBounded: no digest covers the chains of one commit, so that a peer cannot fill memory and disk with more of
// them than a network can have, in one commit or over several.
func TestChainsAreBounded(t *testing.T) {
	chain := snapshottest.New(t, 90)
	head := chain.Commits[89]
	steps := func(first, count int) (out []ordering.ChainStep) {
		for i := range count {
			out = append(out, ordering.ChainStep{Namespace: dag.Namespace(first + i)})
		}
		return out
	}
	record := func(c *ordering.Commit, chains []ordering.ChainStep) []byte {
		changed := *c
		changed.Chains = chains
		return snapshot.EncodeCommit(changed.EncodeRecord())
	}
	for name, chains := range map[string][]ordering.ChainStep{
		"more than can be": steps(1, dag.MaxNamespaces+2),
		"one twice":        append(steps(5, 1), steps(5, 1)...),
		"out of order":     append(steps(5, 1), steps(4, 1)...),
	} {
		w := snapshot.NewWindow(chain.Config.Committee.Network(), head)
		if _, err := w.Take(record(head, chains)); !errors.Is(err, snapshot.ErrSnapshot) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w := snapshot.NewWindow(chain.Config.Committee.Network(), head)
	for i := len(chain.Commits); i > 0; i-- {
		if _, err := w.Take(record(chain.Commits[i-1], steps(1000*i, 60))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("over several commits: %v", err)
	}
}
