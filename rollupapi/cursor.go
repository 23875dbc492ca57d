package rollupapi

import (
	"math"
	"strconv"
	"strings"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/proof"
)

// position is a place between two items of the order: after item index of a commit. With the hash that a cursor
// holds there; zero where none was given.
type position struct {
	commit dag.CommitIndex
	index  uint32
	hash   crypto.Digest
}

// endOfCommit as an index stands behind all items of a commit and its header.
const endOfCommit = proof.EndOfCommit

func after(commit dag.CommitIndex) position { return position{commit: commit, index: endOfCommit} }

// The words that are taken in place of a cursor.
const (
	cursorGenesis = "genesis" // before everything
	cursorTip     = "tip"     // behind everything that is committed now
	cursorCommit  = "commit:" // behind the commit whose number follows
)

// cursorKind says what the hash of a cursor is.
type cursorKind uint8

const (
	cursorWord  cursorKind = iota // none: a word was given
	cursorOne                     // of one namespace's chain
	cursorWhole                   // of the commit
)

// encodeCursor writes the cursor of a position for readers of a scope.
func encodeCursor(network crypto.Digest, s scope, at position) string {
	c := proof.Cursor{Network: [proof.NetworkPrefix]byte(network[:]), Commit: at.commit, Index: at.index, Hash: at.hash}
	if len(s) == 1 {
		c.Scope, c.Namespace = proof.One, s[0]
	}
	return c.String()
}

// parseCursor reads a cursor or one of the words. A cursor of several namespaces or all may be used for any; one of a
// single namespace only for that one. Errors are Refusals.
func parseCursor(network crypto.Digest, s scope, text string, head dag.CommitIndex) (position, cursorKind, error) {
	switch {
	case text == cursorGenesis:
		return after(0), cursorWord, nil
	case text == cursorTip:
		return after(head), cursorWord, nil
	case strings.HasPrefix(text, cursorCommit):
		n, err := strconv.ParseUint(text[len(cursorCommit):], 10, 64)
		if err != nil || n > math.MaxInt64 {
			return position{}, 0, malformedCursor("%q needs a commit's number behind the colon", clip(text))
		}
		return after(dag.CommitIndex(n)), cursorWord, nil
	case len(text) > maxCursorBytes:
		return position{}, 0, malformedCursor("cursor of %d characters", len(text))
	}
	c, err := proof.ParseCursor(text)
	if err != nil {
		return position{}, 0, malformedCursor("neither genesis, tip, commit:N nor a cursor: %s", clip(err.Error()))
	}
	at := position{c.Commit, c.Index, c.Hash}
	switch {
	case c.Network != [proof.NetworkPrefix]byte(network[:]):
		r := refuse(ReasonCursorForeign, "the cursor is of network %x..., this is %x...", c.Network, network[:proof.NetworkPrefix])
		return position{}, 0, r.at("cursor")
	case c.Scope == proof.All:
		return at, cursorWhole, nil
	case len(s) != 1 || s[0] != c.Namespace:
		r := refuse(ReasonCursorScope, "the cursor is of namespace %d alone: use it for that one, or start from commit:N", c.Namespace)
		return position{}, 0, r.at("cursor")
	}
	return at, cursorOne, nil
}

func malformedCursor(format string, args ...any) *Refusal {
	return refuse(ReasonCursorMalformed, format, args...).at("cursor")
}

// clip shortens what a client sent for an error message.
func clip(text string) string {
	const longest = 48
	if len(text) > longest {
		return text[:longest] + "..."
	}
	return text
}
