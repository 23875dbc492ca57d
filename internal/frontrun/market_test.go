package frontrun

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/dag"
)

// TestQuote holds the 128-bit arithmetic against big integers, and that no swap takes value out of the market.
func TestQuote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := market{rapid.Uint64Range(reserves/4, 2*reserves).Draw(t, "cash"), rapid.Uint64Range(reserves/4, 2*reserves).Draw(t, "tokens")}
		s := side(rapid.IntRange(1, 2).Draw(t, "side"))
		amount := rapid.Uint64Range(1, mostSwap).Draw(t, "amount")
		in, out := m.cash, m.tokens
		if s == sell {
			in, out = out, in
		}
		big64 := func(v uint64) *big.Int { return new(big.Int).SetUint64(v) }
		paid := new(big.Int).Mul(big64(amount), big64(feeWhole-feeParts))
		want := new(big.Int).Mul(big64(out), paid)
		want.Div(want, new(big.Int).Add(new(big.Int).Mul(big64(in), big64(feeWhole)), paid))
		product := new(big.Int).Mul(big64(m.cash), big64(m.tokens))
		if got := m.swap(s, amount); got != want.Uint64() {
			t.Fatalf("pays %d, want %d", got, want)
		}
		if new(big.Int).Mul(big64(m.cash), big64(m.tokens)).Cmp(product) < 0 {
			t.Fatal("the market has lost value")
		}
	})
}

// rounding is how far integer division can lead the search for the best amount astray, in millionths of a coin.
const rounding = 10

// TestBest: nothing is to be won at the outside price, and no amount on a coarse grid beats the best one.
func TestBest(t *testing.T) {
	m := newMarket()
	if _, amount, _ := m.best(); amount != 0 {
		t.Errorf("%d to be won with %d at the outside price", m.quote(buy, amount), amount)
	}
	rapid.Check(t, func(t *rapid.T) {
		m := newMarket()
		m.swap(side(rapid.IntRange(1, 2).Draw(t, "side")), rapid.Uint64Range(1, mostSwap).Draw(t, "amount"))
		_, _, profit := m.best()
		for _, s := range []side{buy, sell} {
			for amount := uint64(100 * coin); amount < mostSwap; amount += 100 * coin {
				if p := int64(m.quote(s, amount)) - int64(amount); p > profit+rounding {
					t.Fatalf("side %d with %d earns %d, the best %d", s, amount, p, profit)
				}
			}
		}
	})
}

// TestFrontEarns: before a large swap an order in front earns more than one behind alone, before a small one
// nothing does; and the wrong direction loses.
func TestFrontEarns(t *testing.T) {
	large := order{[]leg{victimLeg(0, 0, buy, mostVictim)}}
	o, ok := front(large)
	if !ok || profitOf(&o, large) <= profitOf(nil, large) {
		t.Errorf("front order %+v", o)
	}
	b := newBooks()
	b.begin(large.trade())
	b.apply(o, 1)
	b.apply(large, 1)
	if !b.events[1].done {
		t.Error("the best order in front makes the victim's fail")
	}
	wrong := order{[]leg{victimLeg(0, 0, sell, mostVictim)}}
	if profitOf(&o, wrong) >= profitOf(nil, wrong) {
		t.Error("standing on the wrong side earns")
	}
	if o, ok := front(order{[]leg{victimLeg(0, 1, sell, 10*coin)}}); ok {
		t.Errorf("front order %+v before a tiny swap", o)
	}
}

// TestBooks: a bundle happens as a whole or not at all, and orders of other trades come too late.
func TestBooks(t *testing.T) {
	greedy := order{[]leg{victimLeg(0, 0, buy, mostVictim), victimLeg(0, 1, sell, mostVictim)}}
	greedy.legs[1].least = mostSwap
	b := newBooks()
	b.begin(1)
	b.apply(greedy, 1)
	if b.markets != freshMarkets() || len(b.events) != 1 || b.events[0].done {
		t.Errorf("%+v", b)
	}
	b.apply(order{[]leg{victimLeg(1, 0, buy, mostVictim)}}, 1)
	if b.markets != freshMarkets() || len(b.events) != 1 {
		t.Errorf("%+v", b)
	}
}

// FuzzSwap: bytes that are no swap are refused, and a swap has one encoding.
func FuzzSwap(f *testing.F) {
	good := victimLeg(0, 0, buy, leastVictim)
	f.Add(good.encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeSwap(b)
		if err == nil && string(s.encode()) != string(b) {
			t.Errorf("%x is read as %+v", b, s)
		}
		if o, err := readOrder([]dag.Leg{{Namespace: rollupA, Payload: b}, {Namespace: rollupB, Payload: b}}); err == nil {
			books := newBooks()
			books.begin(o.trade())
			books.apply(o, 1)
		}
	})
}
