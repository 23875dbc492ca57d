package rollupapi

import (
	"errors"
	"fmt"
	"sync"

	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// open fills in what a revealed sealed item held; other items it leaves alone. An opening that the node
// keeps and that does not open is the node's own trouble.
func (s *Server) open(p *placed, at Location) error {
	if p.outcome == nil || p.outcome.Verdict != reveal.Opened {
		return nil
	}
	if legs, ok := s.openings.find(at); ok {
		p.legs = legs
		return nil
	}
	sealed := p.item.Sealed()
	key, err := s.keyOf(&sealed)
	if err == nil {
		p.legs, err = reveal.Open(key, &sealed, p.outcome.Opening)
	}
	if err != nil {
		return fmt.Errorf("open item %d of commit %d: %w", at.Index, at.Commit, err)
	}
	s.openings.add(at, p.legs)
	return nil
}

// keyOf is the key that an item was sealed with.
func (s *Server) keyOf(sealed *dag.Sealed) (*seal.Key, error) {
	id, err := seal.KeyID(sealed.Ciphertext)
	if err != nil {
		return nil, err
	}
	key, ok := s.admission.keys.find(id)
	if !ok {
		return nil, errors.New("its key is not known")
	}
	return s.admission.keys.ready(&key)
}

// openings keeps what was opened lately, so that the readers of one commit do not each open it: in two
// generations, like the tracker. Safe for concurrent use.
type openings struct {
	mu         sync.Mutex
	young, old map[Location][]dag.Leg
	bytes      int // of the young generation
}

func newOpenings() *openings {
	return &openings{young: map[Location][]dag.Leg{}, old: map[Location][]dag.Leg{}}
}

// openingOverhead is what an entry takes beside its payloads, in bytes.
const openingOverhead = 128

func (o *openings) add(at Location, legs []dag.Leg) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bytes >= maxOpenedBytes {
		o.old, o.young, o.bytes = o.young, map[Location][]dag.Leg{}, 0
	}
	o.young[at] = legs
	o.bytes += openingOverhead
	for i := range legs {
		o.bytes += openingOverhead + len(legs[i].Payload)
	}
}

func (o *openings) find(at Location) ([]dag.Leg, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if legs, ok := o.young[at]; ok {
		return legs, true
	}
	legs, ok := o.old[at]
	return legs, ok
}
