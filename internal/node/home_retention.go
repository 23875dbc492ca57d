package node

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/store"
)

// archive is the retention that keeps all.
const archive = "archive"

// Bounds of a retention.
const (
	maxRetainedCommits = 1 << 40 // far more than any network will make
	maxRetainedGiB     = 1 << 20 // a pebibyte
)

// retention is what the store is told to keep.
func (c StoreConfig) retention() (store.Retention, error) {
	if c.Retention == archive {
		return store.Retention{}, nil
	}
	number, unit, _ := strings.Cut(c.Retention, " ")
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err == nil && unit == "commits" && n >= int64(store.LeastKept) && n <= maxRetainedCommits:
		return store.Retention{Commits: dag.CommitIndex(n)}, nil
	case err == nil && unit == "GiB" && n >= 1 && n <= maxRetainedGiB:
		return store.Retention{Bytes: n << 30}, nil
	}
	return store.Retention{}, fmt.Errorf("store.retention %q: want %q, %q with N from %d on, or %q", c.Retention, archive, "N commits", store.LeastKept, "N GiB")
}
