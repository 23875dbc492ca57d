package node

import (
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// listenFirst is how long a node listens, before it may speak, once it knows that its log is not whole, or is
// shown that it is older than what it signed: a copy of it that runs makes several blocks meanwhile, and the
// others cite them.
const listenFirst = 5 * time.Second

// twin watches for another node that signs with this node's key: a home that was restored, or copied,
// while the first one lives. The loop's goroutine uses it.
type twin struct {
	self    dag.Author
	started uint64    // Unix milliseconds
	until   time.Time // before, answers about what this node signed are held back
	newest  dag.Round // the newest own round that is known here or was made here
}

// newTwin begins to watch. last is the newest own block on disk, nil for none.
func newTwin(self dag.Author, started time.Time, last *dag.Verified, d *doubt) *twin {
	t := &twin{self: self, started: uint64(started.UnixMilli())}
	if last != nil {
		t.newest = last.Round()
	}
	if d.stands && self != ordering.Observer {
		t.until = started.Add(listenFirst)
	}
	return t
}

// look takes an event before the engine does. It reports whether the engine may have it, and gives an
// error if it proves that another copy lives: an own block that was not made here, and was made after
// this node had started.
func (t *twin) look(ev ordering.Event, now time.Time) (pass bool, err error) {
	switch ev := ev.(type) {
	case ordering.BlockReceived:
		return true, t.judge(ev.Block, now)
	case ordering.NewestAnswered:
		pass = !now.Before(t.until)
		return pass, t.judge(ev.Newest, now)
	}
	return true, nil
}

func (t *twin) judge(b *dag.Verified, now time.Time) error {
	if b == nil || b.Author() != t.self || b.Round() <= t.newest {
		return nil
	}
	if t.until.IsZero() {
		t.until = now.Add(listenFirst)
	}
	if b.Block().Time <= t.started {
		return nil
	}
	made := time.UnixMilli(int64(b.Block().Time)).UTC().Format(time.RFC3339)
	return homeError("stop the other node, or give up this one; if there is none, this machine's clock was ahead: start again once it is past that time",
		"another node signs with this node's key: block %v was made at %s, after this node was started", b.Ref(), made)
}

// made notes own blocks.
func (t *twin) made(blocks []*dag.Verified) {
	for _, b := range blocks {
		t.newest = max(t.newest, b.Round())
	}
}
