package chronicle

import (
	"fmt"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// closure leaves out blocks one of whose parents is not written. A source that lives gets blocks while it is
// read, and a late one of a round that is already written would leave its children without a parent. What the
// newest commit needs was there before the reading began, with all its ancestors: it is never left out.
type closure struct {
	floor   dag.Round // parents of this round and below are not looked for: the order has left them behind
	written map[dag.Ref]struct{}
}

// newClosure is for a source whose newest commit is of round head.
func newClosure(head dag.Round) *closure {
	return &closure{floor: head - min(head, ordering.GCDepth), written: make(map[dag.Ref]struct{})}
}

// take says whether a block may be written, and notes it.
func (c *closure) take(raw []byte) (bool, error) {
	ref, parents, err := dag.Outline(raw)
	if err != nil {
		return false, fmt.Errorf("read block: %w", err)
	}
	if ref.Round <= c.floor {
		return true, nil
	}
	for _, p := range parents {
		if p.Round <= c.floor {
			continue
		}
		if _, ok := c.written[p]; !ok {
			return false, nil
		}
	}
	c.written[ref] = struct{}{}
	return true, nil
}
