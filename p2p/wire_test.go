package p2p

import (
	"bufio"
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

func encoded(tb testing.TB, f frame) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := f.writeTo(&b); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func TestFrameLayout(t *testing.T) {
	got := encoded(t, request{from: 1, to: 0x0203}.encode())
	want := []byte{0, 0, 0, 16, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 3}
	if !bytes.Equal(got, want) {
		t.Errorf("request for rounds: % x, want % x", got, want)
	}
	got = encoded(t, trailer{status: fetchCut, blocks: 7, next: 9}.encode())
	want = []byte{0, 0, 0, 13, 9, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9}
	if !bytes.Equal(got, want) {
		t.Errorf("trailer: % x, want % x", got, want)
	}
}

func TestRequestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		refs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) dag.Ref {
			return dag.Ref{Round: dag.Round(rapid.Uint64().Draw(t, "round")), Author: dag.Author(rapid.Uint16().Draw(t, "author"))}
		}), 0, 20).Draw(t, "refs")
		q := request{refs: refs}
		if len(refs) == 0 {
			a, b := rapid.Uint64().Draw(t, "a"), rapid.Uint64().Draw(t, "b")
			q = request{from: dag.Round(min(a, b)), to: dag.Round(max(a, b))}
		}
		var buffer bytes.Buffer
		if err := q.encode().writeTo(&buffer); err != nil {
			t.Fatal(err)
		}
		f, err := readFrame(bufio.NewReader(&buffer))
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeRequest(f)
		if err != nil || len(got.refs) != len(q.refs) || got.from != q.from || got.to != q.to {
			t.Fatalf("%+v, %v; want %+v", got, err, q)
		}
		for i := range got.refs {
			if got.refs[i] != q.refs[i] {
				t.Fatalf("ref %d: %v, want %v", i, got.refs[i], q.refs[i])
			}
		}
	})
}

func TestMalformed(t *testing.T) {
	c := committee(t, 4)
	for name, err := range map[string]error{
		"kind 0":              second(parseHeader([]byte{0, 0, 0, 0, 0})),
		"kind 14":             second(parseHeader([]byte{0, 0, 0, 0, 14})),
		"query of 16 bytes":   second(parseHeader([]byte{0, 0, 0, 16, byte(kindQuery)})),
		"empty part":          second(parseHeader([]byte{0, 0, 0, 1, byte(kindPart)})),
		"empty item":          second(parseHeader([]byte{0, 0, 0, 0, byte(kindItem)})),
		"verdict 0":           first(decodeVerdicts(frame{kindVerdicts, []byte{0}}, 1)),
		"verdict 4":           first(decodeVerdicts(frame{kindVerdicts, []byte{4}}, 1)),
		"verdicts missing":    first(decodeVerdicts(frame{kindVerdicts, []byte{1}}, 2)),
		"ping for verdicts":   first(decodeVerdicts(frame{kindPing, []byte{1}}, 1)),
		"huge block":          second(parseHeader([]byte{0xff, 0xff, 0xff, 0xff, byte(kindBlock)})),
		"empty block":         second(parseHeader([]byte{0, 0, 0, 0, byte(kindBlock)})),
		"ping of 7 bytes":     second(parseHeader([]byte{0, 0, 0, 7, byte(kindPing)})),
		"no refs":             first(decodeRequest(frame{kindFetchRefs, []byte{0, 0}})),
		"refs cut short":      first(decodeRequest(frame{kindFetchRefs, []byte{0, 2, 1}})),
		"rounds backwards":    first(decodeRequest(request{from: 2, to: 1}.encode())),
		"block as request":    first(decodeRequest(frame{kindBlock, nil})),
		"trailer status":      first(decodeTrailer(append([]byte{4}, make([]byte, 12)...))),
		"frontier of nobody":  first(decodeFrontier(c, encodeRefs([]dag.Ref{{Author: 4}}))),
		"frontier with twins": first(decodeFrontier(c, encodeRefs([]dag.Ref{{Author: 1}, {Author: 1, Round: 2}}))),
		"answer cut short":    first(decodeAnswer(c, key(0).Public(), []byte{1})),
		"answer of lost 2":    first(decodeAnswer(c, key(0).Public(), []byte{2, 0, 0, 0, 0, 0, 0, 0, 1})),
		"answer of another":   first(decodeAnswer(c, key(0).Public(), encodeAnswer(ordering.AnswerNewest{Newest: block(t, c, 1, 1, 1)}).body)),
	} {
		if !errors.Is(err, errWire) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func first[T any](_ T, err error) error        { return err }
func second[T, U any](_ T, _ U, e error) error { return e }

func FuzzFrame(f *testing.F) {
	c := committee(f, 4)
	b := block(f, c, 1, 1, 10)
	for _, seed := range []frame{
		{kindBlock, b.Bytes()},
		{kindFrontier, encodeRefs([]dag.Ref{b.Ref()})},
		{kindAskNewest, nil},
		encodeAnswer(ordering.AnswerNewest{Newest: b, Signed: 4}),
		{kindPing, make([]byte, pingSize)},
		trailer{status: fetchBusy}.encode(),
		encodeVerdicts([]Verdict{Taken, NotNow, Refused}),
	} {
		f.Add(encoded(f, seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		in := bufio.NewReader(bytes.NewReader(raw))
		for rest := raw; ; {
			ready := blockReady(in)
			got, err := readFrame(in)
			if err != nil {
				return
			}
			if ready && got.kind != kindBlock {
				t.Fatalf("frame of kind %d was announced as a block", got.kind)
			}
			if again := encoded(t, got); !bytes.Equal(again, rest[:len(again)]) {
				t.Fatalf("frame of % x encodes to % x", rest, again)
			}
			rest = rest[got.size():]
			decodeBody(t, c, got)
		}
	})
}

// decodeBody decodes a body and checks that what is accepted has one encoding.
func decodeBody(t *testing.T, c *dag.Committee, f frame) {
	switch f.kind {
	case kindBlock:
		if v, err := dag.Verify(c, f.body); err == nil && !bytes.Equal(v.Bytes(), f.body) {
			t.Fatal("verified block has other bytes")
		}
	case kindFrontier:
		if refs, err := decodeFrontier(c, f.body); err == nil && !bytes.Equal(encodeRefs(refs), f.body) {
			t.Fatal("frontier has two encodings")
		}
	case kindAnswerNewest:
		if a, err := decodeAnswer(c, key(1).Public(), f.body); err == nil && !bytes.Equal(encodeAnswer(a).body, f.body) {
			t.Fatal("answer has two encodings")
		}
	case kindTrailer:
		if a, err := decodeTrailer(f.body); err == nil && !bytes.Equal(a.encode().body, f.body) {
			t.Fatal("trailer has two encodings")
		}
	case kindVerdicts:
		if v, err := decodeVerdicts(f, len(f.body)); err == nil && !bytes.Equal(encodeVerdicts(v).body, f.body) {
			t.Fatal("verdicts have two encodings")
		}
	}
}

func FuzzFetchRequest(f *testing.F) {
	f.Add(byte(kindFetchRounds), request{from: 3, to: 9}.encode().body)
	f.Add(byte(kindFetchRefs), request{refs: []dag.Ref{{Round: 1, Author: 2}}}.encode().body)
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		in := frame{frameKind(kind), body}
		q, err := decodeRequest(in)
		if err != nil {
			if !errors.Is(err, errWire) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if len(q.refs) > maxFetchRefs || q.from > q.to {
			t.Fatalf("out of limits: %+v", q)
		}
		if again := q.encode(); again.kind != in.kind || !bytes.Equal(again.body, body) {
			t.Fatal("request has two encodings")
		}
	})
}

func TestQueueDropsOldestBlocks(t *testing.T) {
	q := newQueue(1000, 4)
	if _, ok := q.push(frame{kindPing, salted(0)}); ok {
		t.Fatal("a closed queue took a frame")
	}
	q.start()
	push := func(kind frameKind, salt uint64, want int) {
		t.Helper()
		if got, ok := q.push(frame{kind, salted(salt)}); got != want || !ok {
			t.Errorf("push %d: dropped %d, %v; want %d", salt, got, ok, want)
		}
	}
	push(kindPing, 1, 0)
	push(kindBlock, 2, 0)
	push(kindBlock, 3, 0)
	push(kindAskNewest, 4, 0)
	push(kindBlock, 5, 1)
	for range 10 {
		push(kindPing, 6, 0) // in the place of the first
	}
	if n, size, lagging := q.state(); n != 4 || size != 4*(frameHeader+8) || !lagging {
		t.Errorf("state %d, %d, %v", n, size, lagging)
	}
	if q.caughtUp() {
		t.Error("caught up with frames waiting")
	}
	var got []uint64
	for _, f := range q.take(1 << 20) {
		got = append(got, uint64(f.body[7]))
	}
	if diff := cmp.Diff([]uint64{6, 3, 4, 5}, got); diff != "" {
		t.Error(diff)
	}
	if !q.caughtUp() || q.caughtUp() {
		t.Error("want to catch up once")
	}
	if d, _ := q.push(frame{kindBlock, make([]byte, 2000)}); d != 0 {
		t.Error("a frame alone was dropped for its size")
	}
	if d, _ := q.push(frame{kindPing, salted(1)}); d != 1 {
		t.Errorf("dropped %d, want the large one", d)
	}
	q.stop()
	if n, size, _ := q.state(); n != 0 || size != 0 {
		t.Errorf("stopped queue holds %d frames", n)
	}
}

func TestQueueTakesWithinLimit(t *testing.T) {
	q := newQueue(1<<20, 100)
	q.start()
	for range 5 {
		q.push(frame{kindBlock, make([]byte, 95)})
	}
	for _, want := range []int{2, 2, 1, 0} {
		if got := len(q.take(250)); got != want {
			t.Errorf("took %d, want %d", got, want)
		}
	}
	q.push(frame{kindBlock, make([]byte, 500)})
	if got := len(q.take(250)); got != 1 {
		t.Errorf("took %d, want the one that is larger than the limit", got)
	}
}

func TestBucket(t *testing.T) {
	b := newBucket(10, 5)
	at := b.filled
	steps := []struct {
		after  time.Duration
		allow  bool
		charge int
	}{{0, true, 5}, {0, false, 0}, {100 * time.Millisecond, true, 21}, {time.Second, false, 0}, {time.Second, false, 0}, {time.Millisecond, true, 0}, {time.Hour, true, 5}, {0, false, 0}}
	for i, s := range steps {
		at = at.Add(s.after)
		if got := b.allow(at); got != s.allow {
			t.Errorf("step %d: allow %v", i, got)
		}
		b.charge(s.charge)
	}
}

func TestGatePenaltyGrowsAndIsBounded(t *testing.T) {
	g := newGate(time.Second, 5*time.Second)
	id, err := PeerID(key(1).Public())
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	for i, want := range []time.Duration{1, 2, 4, 5, 5} {
		g.bar(id, at)
		if got := g.bars[id].until.Sub(at); got != want*time.Second {
			t.Errorf("fault %d: %v, want %v s", i, got, want)
		}
	}
	if g.InterceptPeerDial(id) || g.InterceptSecured(0, id, nil) {
		t.Error("a barred peer is let in")
	}
	at = at.Add(faultMemory + time.Second)
	g.bar(id, at)
	if got := g.bars[id].until.Sub(at); got != time.Second {
		t.Errorf("after a long time without faults: %v", got)
	}
	for i := range 2 * maxBars {
		other, err := PeerID(key(i + 10).Public())
		if err != nil {
			t.Fatal(err)
		}
		g.bar(other, at.Add(time.Duration(i)))
	}
	if len(g.bars) > maxBars {
		t.Errorf("%d bars are remembered, limit %d", len(g.bars), maxBars)
	}
}
