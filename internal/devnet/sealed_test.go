package devnet

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/reveal"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

func TestSplit(t *testing.T) {
	payloads := make([][]byte, 50)
	for i := range payloads {
		payloads[i] = []byte{byte(i)}
	}
	var none *sealer
	if plain, sealed := none.split(1, payloads); len(plain) != 50 || len(sealed) != 0 {
		t.Errorf("without a sealer %d are sealed", len(sealed))
	}
	for _, share := range []float64{0, 0.1, 0.5, 1} {
		s, total := &sealer{share: share, seed: 7}, 0
		for batch := range uint64(200) {
			plain, sealed := s.split(batch, payloads)
			if len(plain)+len(sealed) != len(payloads) {
				t.Fatalf("%d and %d of %d", len(plain), len(sealed), len(payloads))
			}
			total += len(sealed)
		}
		if got := float64(total) / 10_000; math.Abs(got-share) > 0.03 {
			t.Errorf("share %g: %g are sealed", share, got)
		}
	}
}

// TestShown: the time between commit and reveal, whichever stream is first here.
func TestShown(t *testing.T) {
	w := newWatch(nil)
	start := time.Now()
	w.shown(1, stageCommitted, start)
	w.shown(1, stageCommitted, start.Add(time.Second)) // a stream that was opened again
	w.shown(1, stageRevealed, start.Add(8*time.Millisecond))
	w.shown(2, stageRevealed, start)
	w.shown(2, stageCommitted, start.Add(time.Second))
	w.shown(3, stageCommitted, start)
	f := w.figures()
	if f.reveals != 2 || len(w.opening) != 1 {
		t.Errorf("%d reveals, %d open", f.reveals, len(w.opening))
	}
	var commits, reveals histogram
	w.latency(&commits, &reveals)
	if longest := reveals.quantile(0.99); reveals.quantile(0) != 0 || longest < 7*time.Millisecond || longest > 8*time.Millisecond {
		t.Errorf("from %v to %v", reveals.quantile(0), longest)
	}
}

// TestSealedLoad: what a driver seals is committed as ciphertexts, and opens to what its source made.
func TestSealedLoad(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenSealing(t)
	chain.Answer(func(item dag.Item) ordering.OutcomeState {
		chain.Commit(t, []dag.Item{item})
		return ordering.Committed
	})
	url, _ := chain.Serve(t)
	c := connectTo(t, url)
	key, err := c.EncryptionKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	source, err := newOpenSource(apitest.Open, 64)
	if err != nil {
		t.Fatal(err)
	}
	w := newWatch(c)
	d := &driver{client: c, source: source, ledger: newLedger(), watch: w, network: chain.Committee.Network()}
	d.sealer = &sealer{client: c, watch: w, share: 0.5, seed: 3}
	d.sealer.key.Store(key)
	if err := d.pace(200, 64); err != nil {
		t.Fatal(err)
	}
	l := d.ledger
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for enough := false; !enough; time.Sleep(time.Millisecond) {
			l.mu.Lock()
			enough = l.submitted >= 40
			l.mu.Unlock()
		}
	}()
	if err := d.run(ctx, t.Context(), time.Now(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if l.ciphertexts == 0 || l.ciphertexts == l.acknowledged || l.refused != 0 || len(l.sealedIDs) != int(l.ciphertexts) {
		t.Fatalf("%d of %d sealed, %d refused: %v", l.ciphertexts, l.acknowledged, l.refused, l.reasons)
	}
	chain.RevealAll(t) // not sooner: answers would wait for it
	f, err := auditReveals(t.Context(), readingsOf(t, c), chain.Committee, l.sealedIDs, nil)
	if err != nil || f.revealed != l.ciphertexts || f.failed+f.unrevealed != 0 || f.fault != "" {
		t.Errorf("%+v, %v", f, err)
	}
}

// readingsOf reads nodes' orders back.
func readingsOf(t *testing.T, clients ...*client.Client) []*reading {
	t.Helper()
	var out []*reading
	for i, c := range clients {
		r := &reading{name: fmt.Sprintf("n%d", i), client: c, cursor: "genesis"}
		info, err := c.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.readTo(t.Context(), info.GetWatermarks().GetCommitted()); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// TestAuditReveals: verdicts are counted by what all nodes say.
func TestAuditReveals(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenSealing(t)
	good := chain.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: []byte("good")})
	copied := good.Sealed()
	copied.ValidUntil--
	bad := chain.Envelope(t, copied)
	chain.Commit(t, []dag.Item{good, bad})
	chain.RevealAll(t)
	url, _ := chain.Serve(t)
	readings := readingsOf(t, connectTo(t, url), connectTo(t, url))
	ids := []crypto.Digest{good.ID, bad.ID, id("never committed")}
	f, err := auditReveals(t.Context(), readings, chain.Committee, ids, nil)
	if err != nil || f.revealed != 1 || f.failed != 1 || f.unrevealed != 1 || f.fault != "" {
		t.Errorf("%+v, %v", f, err)
	}
	other := apitest.New(t)
	other.OpenSealingBy(t, 2)
	otherURL, _ := other.Serve(t)
	if _, err := auditReveals(t.Context(), readingsOf(t, connectTo(t, otherURL)), other.Committee, nil, nil); err == nil {
		t.Error("a key of too few dealers is taken")
	}
}

// TestRevealFault: an answer that does not open, and nodes that say different things, are named.
func TestRevealFault(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenSealing(t)
	chain.Commit(t, []dag.Item{chain.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: []byte("x")})})
	chain.RevealAll(t)
	url, _ := chain.Serve(t)
	c := connectTo(t, url)
	keys, err := provenKeys(t.Context(), c, chain.Committee)
	if err != nil {
		t.Fatal(err)
	}
	var item client.Item
	err = c.Follow(t.Context(), apitest.Open, "genesis", func(i client.Item) error { item = i; return errRead })
	if err != errRead || item.Verdict != reveal.Opened {
		t.Fatalf("%+v, %v", item, err)
	}
	take := func(name string, item client.Item) *revealReading {
		r := &revealReading{name: name, keys: keys, items: make(map[key]openedItem)}
		r.take(&item)
		return r
	}
	honest := take("honest", item)
	if fault := revealFault([]*revealReading{honest, take("too", item)}); fault != "" {
		t.Error(fault)
	}
	lie := item
	lie.Legs = []dag.Leg{{Namespace: apitest.Open, Payload: []byte("y")}}
	if fault := revealFault([]*revealReading{take("liar", lie)}); !strings.Contains(fault, "liar: item 0 of commit 2") {
		t.Errorf("fault %q", fault)
	}
	if fault := revealFault([]*revealReading{honest, take("liar", lie)}); !strings.Contains(fault, "differently") {
		t.Errorf("fault %q", fault)
	}
	early := item
	early.Commit = keys[0].From - 1
	if r := take("early", early); !strings.Contains(r.fault, "no key served") {
		t.Errorf("fault %q", r.fault)
	}
}

// TestFaultOfReveals: a network that does not open what it promised is at fault.
func TestFaultOfReveals(t *testing.T) {
	for want, r := range map[string]Result{
		"not revealed":         {Agreement: true, Unrevealed: 1},
		"revealed as failures": {Agreement: true, RevealFailed: 1},
		"does not hold":        {Agreement: true, RevealFault: "n0: reveal does not hold"},
	} {
		if err := r.Fault(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
