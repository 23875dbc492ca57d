package store

import (
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/dunlin-network/dunlin/dag"
)

// BlocksInRounds gives the encodings of the blocks of rounds from to to (both included) in order of
// round, as many as maxBytes allow but at least one, and the round from which to ask on; that is
// to+1 when nothing is left. Rounds come whole, except where the first alone is too large: then what
// did not fit has to be asked for by reference. It is what other nodes are served from: own blocks
// that are not durable yet are left out.
func (s *Store) BlocksInRounds(from, to dag.Round, maxBytes int) ([][]byte, dag.Round, error) {
	p := &page{left: maxBytes}
	err := s.reading(func() error {
		// Memory first: what it lets go of from here on is in Badger already.
		inMemory, floor := s.recent.between(from, to, maxBytes)
		if from < floor {
			rest, err := s.pageFromBadger(p, inMemory, from, min(to, floor-1))
			if err != nil {
				return err
			}
			inMemory = rest
		}
		for _, b := range inMemory {
			if !s.withheld(b.Ref()) && !p.put(b.Round(), b.Bytes()) {
				return nil
			}
		}
		p.close()
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read rounds %d to %d: %w", from, to, err)
	}
	if !p.full {
		p.next = to + 1
	}
	return p.raws, p.next, nil
}

// pageFromBadger adds what Badger has of rounds from to to and, in their places, the blocks in
// memory, of which it gives back those that come later.
func (s *Store) pageFromBadger(p *page, inMemory []*dag.Verified, from, to dag.Round) ([]*dag.Verified, error) {
	err := s.badger.each([]byte{prefixBlock}, roundKey(from), ascending, func(item *badger.Item) error {
		ref := dag.DecodeRef(item.Key()[1:])
		if ref.Round > to {
			return errStop
		}
		for len(inMemory) > 0 && inMemory[0].Ref().Compare(ref) <= 0 {
			b := inMemory[0]
			inMemory = inMemory[1:]
			if !s.withheld(b.Ref()) && !p.put(b.Round(), b.Bytes()) {
				return errStop
			}
			if b.Ref() == ref {
				return nil
			}
		}
		if s.withheld(ref) {
			return nil
		}
		raw, err := s.badger.value(item)
		if err != nil {
			return err
		}
		if err := s.checkDigest(ref, raw); err != nil {
			return err
		}
		if !p.put(ref.Round, raw) {
			return errStop
		}
		return nil
	})
	return inMemory, err
}

// page collects whole rounds up to a size.
type page struct {
	raws  [][]byte
	left  int       // bytes
	round dag.Round // the one being collected
	open  [][]byte  // its blocks so far
	next  dag.Round // when full: where to go on
	full  bool
}

// put adds the next block in order of rounds; it gives false when the page is full.
func (p *page) put(round dag.Round, raw []byte) bool {
	if round != p.round {
		p.close()
		p.round = round
	}
	if !p.full {
		p.open = append(p.open, raw)
	}
	return !p.full
}

// close ends the round being collected: all of it fits, or the page is full.
func (p *page) close() {
	size := 0
	for _, r := range p.open {
		size += len(r)
	}
	switch {
	case p.full:
	case size <= p.left:
		p.raws, p.left = append(p.raws, p.open...), p.left-size
	case len(p.raws) > 0:
		p.next, p.full = p.round, true
	default:
		for i, r := range p.open {
			if p.left -= len(r); p.left < 0 && i > 0 {
				break
			}
			p.raws = append(p.raws, r)
		}
		p.next, p.full = p.round+1, true
	}
	p.open = nil
}
