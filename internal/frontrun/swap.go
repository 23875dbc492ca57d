package frontrun

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/dag"
)

// trader says whose swap it is.
type trader uint8

const (
	victim    trader = iota + 1
	botFront         // the bot's, meant to stand before the victim's
	botAfter         // the bot's, made when the victim's place and content are known
	traderEnd        // none
)

// swap is one payload of a rollup: the markets take nothing else.
type swap struct {
	trade  uint32 // which victim it belongs to
	by     trader
	side   side
	amount uint64 // paid in
	least  uint64 // paid out, or the whole transaction or bundle fails
}

var errSwap = errors.New("no swap")

const swapSize = 4 + 1 + 1 + 8 + 8

func (s *swap) encode() []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, swapSize), s.trade)
	b = append(b, byte(s.by), byte(s.side))
	b = binary.BigEndian.AppendUint64(b, s.amount)
	return binary.BigEndian.AppendUint64(b, s.least)
}

func decodeSwap(b []byte) (swap, error) {
	if len(b) != swapSize {
		return swap{}, fmt.Errorf("%w: %d bytes, want %d", errSwap, len(b), swapSize)
	}
	s := swap{
		trade: binary.BigEndian.Uint32(b), by: trader(b[4]), side: side(b[5]),
		amount: binary.BigEndian.Uint64(b[6:]), least: binary.BigEndian.Uint64(b[14:]),
	}
	if s.by < victim || s.by >= traderEnd || s.side < buy || s.side > sell || s.amount == 0 || s.amount > mostSwap {
		return swap{}, fmt.Errorf("%w: trader %d, side %d, amount %d", errSwap, s.by, s.side, s.amount)
	}
	return s, nil
}

// order is swaps of one trader that happen together or not at all, at most one per rollup.
type order struct{ legs []leg }

// leg is a swap on the market of one rollup.
type leg struct {
	on int // 0 for rollup A, 1 for B
	swap
}

func (o *order) trade() uint32 { return o.legs[0].trade }
func (o *order) by() trader    { return o.legs[0].by }

// dagLegs is the order as the sequencer carries it.
func (o *order) dagLegs() []dag.Leg {
	var out []dag.Leg
	for i := range o.legs {
		out = append(out, dag.Leg{Namespace: rollupA + dag.Namespace(o.legs[i].on), Payload: o.legs[i].encode()})
	}
	return out
}

// item is the order in the open: a transaction, or a bundle where it has several legs.
func (o *order) item(h *dag.ItemHasher, until dag.CommitIndex) (dag.Item, error) {
	legs := o.dagLegs()
	if len(legs) == 1 {
		tx := dag.Transaction{Namespace: legs[0].Namespace, ValidUntil: until, Payload: legs[0].Payload}
		return tx.Encode(h)
	}
	bundle := dag.Bundle{Mode: dag.ModeInclusion, ValidUntil: until, Legs: legs}
	return bundle.Encode(h)
}

// readOrder is the order that an item in the open holds, or that a sealed item's legs spell out.
func readOrder(legs []dag.Leg) (order, error) {
	var o order
	for _, l := range legs {
		if l.Namespace != rollupA && l.Namespace != rollupB {
			return order{}, fmt.Errorf("%w: namespace %d", errSwap, l.Namespace)
		}
		s, err := decodeSwap(l.Payload)
		if err != nil {
			return order{}, err
		}
		if len(o.legs) > 0 && (s.trade != o.trade() || s.by != o.by()) {
			return order{}, fmt.Errorf("%w: legs of two trades", errSwap)
		}
		o.legs = append(o.legs, leg{int(l.Namespace - rollupA), s})
	}
	if len(o.legs) == 0 || len(o.legs) > marketsNum {
		return order{}, fmt.Errorf("%w: %d legs", errSwap, len(o.legs))
	}
	return o, nil
}

// openLegs is what an item holds that is not sealed; nil for a sealed one.
func openLegs(item *dag.Item) []dag.Leg {
	switch item.Kind {
	case dag.KindTransaction:
		tx := item.Transaction()
		return []dag.Leg{{Namespace: tx.Namespace, Payload: tx.Payload}}
	case dag.KindBundle:
		return item.Bundle().Legs
	}
	return nil
}
