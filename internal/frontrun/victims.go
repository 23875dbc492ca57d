package frontrun

import (
	"math/rand/v2"
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// How victims trade. Nothing of it shows in an envelope but the rollups.
const (
	leastVictim  = 5_000 * coin
	mostVictim   = 30_000 * coin
	typicalSwap  = (leastVictim + mostVictim) / 2
	slippage     = 100 // parts of feeWhole that a victim accepts to get less than quoted
	shortestGap  = 150 * time.Millisecond
	longestGap   = 450 * time.Millisecond // between two trades
	demoWindow   = 1000                   // commits that an order stays valid
	smallestTail = 1                      // coin millionths that any swap must pay
)

// victimTrade is one victim's order and where it is handed in.
type victimTrade struct {
	order
	at  dag.Author
	gap time.Duration // since the end of the trade before
}

// drawTrades draws the flow. Half of the victims trade on one rollup, the others on both at once: in the same
// direction to spread a large order, or in opposite ones to move a position from one to the other.
func drawTrades(random *rand.Rand, n, validators int) []victimTrade {
	out := make([]victimTrade, n)
	for i := range out {
		t := &out[i]
		t.at = dag.Author(random.IntN(validators))
		t.gap = shortestGap + time.Duration(random.Int64N(int64(longestGap-shortestGap)))
		first := side(1 + random.IntN(2))
		amount := leastVictim + random.Uint64N(mostVictim-leastVictim)
		switch random.IntN(4) {
		case 0:
			t.legs = []leg{victimLeg(i, 0, first, amount)}
		case 1:
			t.legs = []leg{victimLeg(i, 1, first, amount)}
		case 2:
			t.legs = []leg{victimLeg(i, 0, first, amount), victimLeg(i, 1, first, amount)}
		case 3:
			t.legs = []leg{victimLeg(i, 0, first, amount), victimLeg(i, 1, first.other(), amount)}
		}
	}
	return out
}

// victimLeg is a swap at the quoted price with the usual tolerance.
func victimLeg(i, on int, s side, amount uint64) leg {
	m := newMarket()
	quoted := m.quote(s, amount)
	return leg{on, swap{trade: tradeNumber(i), by: victim, side: s, amount: amount, least: quoted - quoted/feeWhole*slippage}}
}

// tradeNumber numbers trades from 1, so that no order belongs to the books before the first.
func tradeNumber(i int) uint32 { return uint32(i) + 1 }
