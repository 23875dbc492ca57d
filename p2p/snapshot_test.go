package p2p

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/snapshot"
)

// recordSource answers every query with the same records.
type recordSource struct {
	records [][]byte
	err     error
	given   int
}

func (s *recordSource) Snapshot(_ snapshot.Query, give func([]byte) error) error {
	for _, r := range s.records {
		if err := give(r); err != nil {
			return err
		}
		s.given++
	}
	return s.err
}

func gives(s SnapshotSource) option { return func(c *Config) { c.Snapshots = s } }

var window = snapshot.Query{Kind: snapshot.AskWindow, At: 9, Low: 1}

// askAll gives the records of an answer of node 1's.
func askAll(t *testing.T, asker *node, q snapshot.Query) (got [][]byte, err error) {
	t.Helper()
	err = asker.Ask(t.Context(), 1, q, func(record []byte) error {
		got = append(got, bytes.Clone(record))
		return nil
	})
	return got, err
}

// TestAsk: records come whole and in order, small ones and ones of many frames, as many as fit one answer.
func TestAsk(t *testing.T) {
	c := committee(t, 4)
	s := &recordSource{records: [][]byte{{1}, bytes.Repeat([]byte{2}, partBytes), bytes.Repeat([]byte{3}, 3*partBytes+5), bytes.Repeat([]byte{4}, 7)}}
	nodes := cluster(t, c, gives(s))
	got, err := askAll(t, nodes[0], window)
	if err != nil || len(got) != len(s.records) {
		t.Fatalf("%d records, %v", len(got), err)
	}
	for i := range got {
		if !bytes.Equal(got[i], s.records[i]) {
			t.Errorf("record %d has %d bytes, want %d", i, len(got[i]), len(s.records[i]))
		}
	}
	s.records, s.given = nil, 0
	for range 40 {
		s.records = append(s.records, make([]byte, 1<<20))
	}
	if got, err = askAll(t, nodes[0], window); err != nil || len(got) >= len(s.records) || len(got) < 2 {
		t.Errorf("%d of %d MiB in one answer, %v", len(got), len(s.records), err)
	}
	s.records = nil
	if got, err = askAll(t, nodes[0], window); err != nil || len(got) > 0 {
		t.Errorf("%d records of a node that has none, %v", len(got), err)
	}
	s.err = errors.New("disk on fire")
	if _, err = askAll(t, nodes[0], window); err == nil {
		t.Error("no error of a broken disk")
	}
	if faults := nodes[0].Stats().Faults + nodes[1].Stats().Faults; faults != 0 {
		t.Errorf("%d faults", faults)
	}
	if err := nodes[0].Ask(t.Context(), 77, window, nil); err == nil {
		t.Error("nobody was asked")
	}
}

// TestAskAboutAWrongRecord: what is wrong with a record costs the peer the connection, and other errors do not.
func TestAskAboutAWrongRecord(t *testing.T) {
	c := committee(t, 4)
	for name, test := range map[string]struct {
		err    error
		faults uint64
	}{
		"wrong":     {snapshot.NewProof(c).Take([]byte{77}), 1},
		"no block":  {first(dag.Verify(c, []byte("block"))), 1},
		"own fault": {errors.New("disk full"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			nodes := cluster(t, c, gives(&recordSource{records: [][]byte{{1}, {2}}}))
			err := nodes[0].Ask(t.Context(), 1, window, func([]byte) error { return test.err })
			if !errors.Is(err, test.err) || nodes[0].Stats().Faults != test.faults {
				t.Errorf("error %v, %d faults", err, nodes[0].Stats().Faults)
			}
		})
	}
	nodes := cluster(t, c, gives(&recordSource{}))
	nodes[0].Blame(1, snapshot.ErrSnapshot)
	if nodes[0].Stats().Faults != 1 {
		t.Error("blame costs nothing")
	}
}

// TestAskALiar: answers that keep to no limit end, and cost the peer the connection.
func TestAskALiar(t *testing.T) {
	c := committee(t, 4)
	part := frame{kindPart, append([]byte{1}, make([]byte, partBytes)...)}
	for name, answer := range map[string]func(w io.Writer) error{
		"an endless record": func(w io.Writer) error { return part.writeTo(w) },
		"an endless row of records": func(w io.Writer) error {
			return (frame{kindPart, append([]byte{0}, make([]byte, partBytes)...)}).writeTo(w)
		},
		"another frame":         func(w io.Writer) error { return (frame{kindPing, make([]byte, pingSize)}).writeTo(w) },
		"a record that goes on": func(w io.Writer) error { return errors.Join(part.writeTo(w), trailer{}.encode().writeTo(w), io.EOF) },
		"a part of no kind":     func(w io.Writer) error { return (frame{kindPart, []byte{7, 1}}).writeTo(w) },
	} {
		t.Run(name, func(t *testing.T) {
			nodes := cluster(t, c)
			nodes[1].host.SetStreamHandler(nodes[1].names.snapshot, func(s network.Stream) {
				defer func() { _ = s.Close() }()
				for answer(s) == nil {
				}
			})
			_, err := askAll(t, nodes[0], window)
			if !isFault(err) || nodes[0].Stats().Faults != 1 {
				t.Errorf("error %v, %d faults", err, nodes[0].Stats().Faults)
			}
		})
	}
}

// TestAskTheSilent: a peer that says nothing is not waited for.
func TestAskTheSilent(t *testing.T) {
	c := committee(t, 4)
	nodes := cluster(t, c, limited(func(l *Limits) { l.FetchTimeout = 200 * time.Millisecond }))
	nodes[1].host.SetStreamHandler(nodes[1].names.snapshot, func(s network.Stream) { <-nodes[1].ctx.Done(); _ = s.Reset() })
	if _, err := askAll(t, nodes[0], window); err == nil || nodes[0].Stats().Faults != 0 {
		t.Errorf("error %v, %d faults", err, nodes[0].Stats().Faults)
	}
}

// TestAskTheSlow: a peer that is never silent for long, and gives next to nothing, is given up long before an answer may be
// over.
func TestAskTheSlow(t *testing.T) {
	c := committee(t, 4)
	nodes := cluster(t, c)
	nodes[1].host.SetStreamHandler(nodes[1].names.snapshot, func(s network.Stream) {
		defer func() { _ = s.Reset() }()
		for range time.Tick(10 * time.Millisecond) {
			if (frame{kindPart, []byte{1, 1}}).writeTo(s) != nil {
				return
			}
		}
	})
	if _, err := askAll(t, nodes[0], window); !errors.Is(err, errSlow) || nodes[0].Stats().Faults != 0 {
		t.Errorf("error %v, %d faults", err, nodes[0].Stats().Faults)
	}
}

// TestSnapshotServerLimits: who is over a rate is told so, what is no query costs the connection.
func TestSnapshotServerLimits(t *testing.T) {
	c := committee(t, 4)
	s := &recordSource{records: [][]byte{{1}}}
	nodes := cluster(t, c, gives(s))
	r := nodes[1].table.numbered(0)
	r.served.charge(10 * validatorByteRate)
	if _, err := askAll(t, nodes[0], window); !errors.Is(err, ErrBusy) {
		t.Errorf("over the rate of bytes: %v", err)
	}
	r.served.charge(-10 * validatorByteRate)
	for range servedPerPeer {
		r.serving <- struct{}{}
	}
	if _, err := askAll(t, nodes[0], window); !errors.Is(err, ErrBusy) {
		t.Errorf("over the number of queries: %v", err)
	}
	for range servedPerPeer {
		<-r.serving
	}
	if s.given != 0 || nodes[1].Stats().SnapshotQueriesRefused != 2 {
		t.Errorf("%d records given, %d queries refused", s.given, nodes[1].Stats().SnapshotQueriesRefused)
	}
	if _, err := askAll(t, nodes[0], snapshot.Query{Kind: snapshot.AskWindow, At: 1, Low: 2}); err == nil {
		t.Error("a query of nothing is answered")
	}
	eventually(t, "the asker is at fault", func() bool { return nodes[1].Stats().Faults == 1 })
}
