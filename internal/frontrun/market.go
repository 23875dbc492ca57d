package frontrun

import (
	"math/bits"

	"github.com/dunlin-network/dunlin/dag"
)

// Amounts are in millionths of a coin. Each market holds a stable coin (cash) and a token; outside, a
// token costs one coin.
const (
	coin       = 1_000_000
	reserves   = 1_000_000 * coin // of cash and of tokens in a market at the beginning of a trade
	feeParts   = 30               // fee of a swap, in parts of feeWhole of what is paid in
	feeWhole   = 10_000
	mostSwap   = reserves / 4 // the largest amount that a swap takes: products fit 128 bits with room
	marketsNum = 2
)

// The rollups, each with one market.
const (
	rollupA dag.Namespace = 1
	rollupB dag.Namespace = 2
)

// side is the direction of a swap: buy pays cash for tokens, sell pays tokens for cash.
type side uint8

const (
	buy side = iota + 1
	sell
)

func (s side) other() side { return buy + sell - s }

// market is a constant-product market.
type market struct{ cash, tokens uint64 }

func newMarket() market { return market{reserves, reserves} }

// quote is what a swap of amount pays out; the fee stays in the market.
func (m *market) quote(s side, amount uint64) uint64 {
	in, out := m.cash, m.tokens
	if s == sell {
		in, out = out, in
	}
	paid := amount * (feeWhole - feeParts)
	high, low := bits.Mul64(out, paid)
	got, _ := bits.Div64(high, low, in*feeWhole+paid)
	return got
}

// swap carries a swap out and returns what it pays out.
func (m *market) swap(s side, amount uint64) uint64 {
	got := m.quote(s, amount)
	if s == buy {
		m.cash, m.tokens = m.cash+amount, m.tokens-got
	} else {
		m.cash, m.tokens = m.cash-got, m.tokens+amount
	}
	return got
}

// best is the swap that earns most in this market for somebody who gets or leaves tokens outside for a
// coin each; an amount of 0 if none earns anything. What a swap earns rises and then falls with its
// amount, so a ternary search finds it.
func (m *market) best() (s side, amount uint64, profit int64) {
	for _, try := range []side{buy, sell} {
		earns := func(amount uint64) int64 { return int64(m.quote(try, amount)) - int64(amount) }
		low, high := uint64(0), uint64(mostSwap)
		for high-low > 2 {
			third := (high - low) / 3
			if earns(low+third) < earns(high-third) {
				low += third
			} else {
				high -= third
			}
		}
		if p := earns(low + 1); p > profit {
			s, amount, profit = try, low+1, p
		}
	}
	return s, amount, profit
}
