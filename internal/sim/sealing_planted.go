//go:build mutants

package sim

import (
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// early is the shares that a node makes before a commit, where that error is planted.
func early(t *reveal.Tracker, b *dag.Verified) []ordering.OwnShare { return t.Early(b) }
