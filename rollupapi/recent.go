package rollupapi

import (
	"fmt"
	"sync"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// recent keeps the newest commits for the readers that stand near the head, so that a thousand of them read each
// from the store once. Safe for concurrent use.
type recent struct {
	history History

	mu      sync.Mutex
	commits []recentCommit // without gaps, ascending
}

type recentCommit struct {
	commit     *ordering.Commit
	namespaces map[dag.Namespace]struct{} // of its items
}

// maxRecent is how many commits are kept: a second of a fast network, and some 20 MB under full load.
const maxRecent = 64

// next is the first commit past after, and up to head, that has something for a scope; nil for none. Ok is false
// where after lies too far back to tell.
func (r *recent) next(sc scope, after, head dag.CommitIndex) (commit *ordering.Commit, ok bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(head); err != nil {
		return nil, false, err
	}
	if len(r.commits) == 0 || after+1 < r.commits[0].commit.Index {
		return nil, false, nil
	}
	first := int(after + 1 - r.commits[0].commit.Index)
	for i := first; i < len(r.commits) && r.commits[i].commit.Index <= head; i++ {
		if r.commits[i].concerns(sc) {
			return r.commits[i].commit, true, nil
		}
	}
	return nil, true, nil
}

func (c *recentCommit) concerns(sc scope) bool {
	for _, ns := range sc {
		if _, ok := c.namespaces[ns]; ok {
			return true
		}
	}
	return len(sc) == 0
}

// namespaces are those of a commit's items; ok is false if it is not among the newest.
func (r *recent) namespacesOf(index dag.CommitIndex) (namespaces map[dag.Namespace]struct{}, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.load(index) != nil || len(r.commits) == 0 || index < r.commits[0].commit.Index {
		return nil, false
	}
	return r.commits[index-r.commits[0].commit.Index].namespaces, true
}

// load reads what is missing up to head. It is called under the lock.
func (r *recent) load(head dag.CommitIndex) error {
	from := head
	if n := len(r.commits); n > 0 {
		if from = r.commits[n-1].commit.Index + 1; from+maxRecent <= head {
			r.commits, from = nil, head
		}
	}
	for ; from <= head && from > 0; from++ {
		commit, ok, err := r.history.Commit(from)
		if err != nil {
			return fmt.Errorf("read commit %d: %w", from, err)
		}
		if !ok { // pruned as soon as it came
			r.commits = nil
			return nil
		}
		c := recentCommit{commit, map[dag.Namespace]struct{}{}}
		for i := range commit.Accepted {
			item, err := commit.Item(i)
			if err != nil {
				return err
			}
			for _, ns := range item.Namespaces() {
				c.namespaces[ns] = struct{}{}
			}
		}
		if r.commits = append(r.commits, c); len(r.commits) > maxRecent {
			r.commits = append(r.commits[:0:0], r.commits[1:]...)
		}
	}
	return nil
}

// encodedKey names an event in JSON: what its cursor is of, and how much it shows.
type encodedKey struct {
	at        position
	one       bool // a cursor of one namespace
	namespace dag.Namespace
	options   uint8 // content and min_state
}

// encoded keeps events in JSON for the other readers of the same stream, in two generations like the tracker.
// Safe for concurrent use.
type encoded struct {
	mu         sync.Mutex
	young, old map[encodedKey][]byte
	bytes      int // of the young generation
}

// maxEncodedBytes is how much one generation of events takes.
const maxEncodedBytes = 8 << 20

func newEncoded() *encoded {
	return &encoded{young: map[encodedKey][]byte{}, old: map[encodedKey][]byte{}}
}

// get is the event with a key, which is made if it is not there.
func (e *encoded) get(key encodedKey, encode func() []byte) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if raw, ok := e.young[key]; ok {
		return raw
	}
	raw, ok := e.old[key]
	if !ok {
		raw = encode()
	}
	if e.bytes >= maxEncodedBytes {
		e.old, e.young, e.bytes = e.young, map[encodedKey][]byte{}, 0
	}
	e.young[key] = raw
	e.bytes += len(raw)
	return raw
}
