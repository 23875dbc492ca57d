//go:build mutants

package node

import (
	"github.com/dunlin-network/dunlin/dag/mutant"
	"github.com/dunlin-network/dunlin/ordering"
)

// shareEarly is the planted error mutant.ShareEarly in a running node: shares for blocks that it has just
// accepted. The loop calls it.
func (r *revealer) shareEarly(ready *ordering.Ready) {
	if !mutant.Planted(mutant.ShareEarly) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range ready.Persist {
		if shares := r.tracker.Early(b); len(shares) > 0 {
			select {
			case r.node.loop.inbox <- ordering.SharesMade{Shares: shares}:
			default: // the loop, which is here, cannot wait for itself
			}
		}
	}
}
