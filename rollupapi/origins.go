package rollupapi

import (
	"fmt"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// originParts is what an answer shows of each deal.
type originParts struct{ deals, blocks bool }

// originPage collects origins of keys, as many as one answer holds.
type originPage struct {
	server *Server
	parts  originParts
	room   int  // bytes of deals and blocks that may follow
	given  bool // an origin is in it
	more   bool // one had no room
}

func (s *Server) originPage(parts originParts, maxBytes uint32) *originPage {
	return &originPage{server: s, parts: parts, room: limitOr(maxBytes, maxOriginBytes)}
}

// full reports whether nothing more goes in: an answer brings one origin at least.
func (p *originPage) full() bool { return p.more || p.given && p.room <= 0 }

// take is the origins of a key from a place on that have room.
func (p *originPage) take(origins []keygen.Origin, kind dag.SystemKind, from uint32) ([]*pb.KeyOrigin, error) {
	var out []*pb.KeyOrigin
	for i := int(min(from, dag.MaxCommittee)); i < len(origins); i++ {
		o := &origins[i]
		m := &pb.KeyOrigin{Dealer: o.Dealer.String(), Commit: uint64(o.Commit), Digest: o.Digest[:]}
		if p.parts.deals {
			m.Deal = o.Deal
		}
		if p.parts.blocks {
			block, ok, err := p.server.backend.History.DealBlock(&ordering.Deal{Origin: *o, Message: kind})
			if err != nil {
				return nil, fmt.Errorf("read the block with the deal of %s from commit %d: %w", o.Dealer, o.Commit, err)
			}
			if ok {
				m.Block = block
			}
		}
		size := len(m.Deal) + len(m.Block)
		if p.given && size > p.room {
			p.more = true
			break
		}
		p.room, p.given = p.room-size, true
		out = append(out, m)
	}
	return out, nil
}
