package sim

import (
	"errors"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
)

// TestCostAddsUp holds the counted bytes against the blocks that the measured validator sent, and
// against the size of a block as its encoding says.
func TestCostAddsUp(t *testing.T) {
	const n, transactions, size, rounds = 4, 3, 512, 20
	c := CostCase{Validators: n, Transactions: transactions, Bytes: size, Rounds: rounds}
	net, err := newCostNet(c)
	if err != nil {
		t.Fatal(err)
	}
	sent, copies := 0, make(map[dag.Ref]int)
	net.pushed = func(b *dag.Verified, to dag.Author) {
		if b.Author() != costMeasured || to == costMeasured {
			t.Errorf("%v pushed to %v", b.Ref(), to)
		}
		sent += len(b.Bytes())
		copies[b.Ref()]++
	}
	for len(net.rounds) <= rounds {
		if !net.step() || net.err != nil {
			t.Fatalf("%d rounds: %v", len(net.rounds), net.err)
		}
	}
	counted, in, out := 0, 0, 0
	for i, w := range net.rounds {
		counted += w.header + w.payload
		if w.blocks != n-1 && i > 0 && i < rounds {
			t.Errorf("round %d: %d blocks verified, want %d", i, w.blocks, n-1)
		}
		in, out = in+w.transactions, out+w.ordered
	}
	if counted != sent || sent == 0 {
		t.Errorf("%d bytes counted, %d broadcast", counted, sent)
	}
	for ref, times := range copies {
		if times != n-1 {
			t.Errorf("%v pushed %d times", ref, times)
		}
	}
	if in < transactions*(rounds-2) || out < n*transactions*(rounds-8) {
		t.Errorf("%d transactions in, %d ordered by all", in, out)
	}
}

// TestCostOfARound measures the smallest network: what a round pushes is known exactly.
func TestCostOfARound(t *testing.T) {
	const n, size = 4, 512
	// A block without parents, system messages and items, and what an open transaction adds.
	const empty, around = 172, 4 + 18
	for _, c := range []CostCase{{Validators: n, Rounds: 5}, {Validators: n, Rounds: 5, Transactions: 2, Bytes: size}} {
		got, err := MeasureCost(c)
		if err != nil {
			t.Fatal(err)
		}
		header := float64((n - 1) * (empty + n*dag.RefSize))
		payload := float64((n - 1) * c.Transactions * (size + around))
		if got.Header != header || got.Payload != payload || got.Reference != 48*n*n {
			t.Errorf("%d transactions: %v bytes of headers, %v of payload, reference %v, want %v, %v, %v",
				c.Transactions, got.Header, got.Payload, got.Reference, header, payload, 48*n*n)
		}
		if got.Blocks != n-1 || got.Commits != 1 || got.Ordered != float64(n*c.Transactions) || got.Rounds != c.Rounds {
			t.Errorf("%d transactions: %+v", c.Transactions, got)
		}
		if got.Verify <= 0 || got.Add <= 0 || got.Commit <= 0 || got.Propose <= 0 || got.CPU != got.Verify+got.Add+got.Commit+got.Propose {
			t.Errorf("%d transactions: CPU %+v", c.Transactions, got)
		}
	}
}

func TestCostRefuses(t *testing.T) {
	for _, c := range []CostCase{
		{Validators: 3, Rounds: 1},
		{Validators: maxValidators + 1, Rounds: 1},
		{Validators: 4},
		{Validators: 4, Rounds: costMost + 1},
		{Validators: 4, Rounds: 1, Transactions: -1, Bytes: 512},
		{Validators: 4, Rounds: 1, Transactions: maxCostItems + 1, Bytes: minItemBytes},
		{Validators: 4, Rounds: 1, Transactions: maxCostLoad/512 + 1, Bytes: 512},
		{Validators: 4, Rounds: 1, Transactions: 1, Bytes: minItemBytes - 1},
		{Validators: 4, Rounds: 1, Transactions: 1, Bytes: maxItemBytes + 1},
	} {
		if _, err := MeasureCost(c); !errors.Is(err, ErrCost) {
			t.Errorf("%+v: error %v", c, err)
		}
	}
}
