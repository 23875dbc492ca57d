package proof

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// Cursor is a place between two items of the order as a client keeps it. Its text is base64url without padding of
//
//	version 1 | first 8 bytes of the network id | scope 1 | namespace 8 | commit 8 | index 4 | hash 32
//
// integers big-endian. All nodes of a network write the same cursor for the same place, and refuse one whose hash is not
// theirs.
type Cursor struct {
	Network   [NetworkPrefix]byte // of the network's id
	Scope     CursorScope
	Namespace dag.Namespace // 0 where the scope is All
	Commit    dag.CommitIndex
	Index     uint32        // of the item before the place; EndOfCommit behind all of the commit
	Hash      crypto.Digest // of the namespace's chain there; where the scope is All the commit's digest, which covers all chains
}

// CursorScope says for whom a cursor is.
type CursorScope uint8

// The scopes.
const (
	All  CursorScope = iota // readers of several namespaces or of all
	One                     // readers of one namespace
	last = One
)

const (
	// NetworkPrefix is how many bytes of the network's id a cursor holds.
	NetworkPrefix = 8
	// EndOfCommit as an index stands behind all items of a commit and its header.
	EndOfCommit = math.MaxUint32

	cursorVersion = 2
	cursorBytes   = 1 + NetworkPrefix + 1 + 8 + 8 + 4 + crypto.DigestSize
	cursorText    = (cursorBytes*8 + 5) / 6
)

// ErrCursor is wrapped by every error about a text that is no cursor.
var ErrCursor = errors.New("not a cursor")

// String is the cursor's one text.
func (c *Cursor) String() string {
	var raw [cursorBytes]byte
	b := append(raw[:0], cursorVersion)
	b = append(b, c.Network[:]...)
	b = append(b, byte(c.Scope))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Namespace))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Commit))
	b = binary.BigEndian.AppendUint32(b, c.Index)
	b = append(b, c.Hash[:]...)
	var text [cursorText]byte
	base64.RawURLEncoding.Encode(text[:], b)
	return string(text[:])
}

// ParseCursor reads what String wrote, and nothing else. Errors wrap ErrCursor.
func ParseCursor(text string) (Cursor, error) {
	const longest = 4 * cursorText
	if len(text) > longest {
		return Cursor{}, fmt.Errorf("%w: %d characters", ErrCursor, len(text))
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) == 0 || strings.ContainsAny(text, "\r\n") { // the decoder skips line ends
		return Cursor{}, fmt.Errorf("%w: %q is not base64url", ErrCursor, text)
	}
	if raw[0] != cursorVersion || len(raw) != cursorBytes {
		return Cursor{}, fmt.Errorf("%w: version %d of %d bytes, want version %d of %d", ErrCursor, raw[0], len(raw), cursorVersion, cursorBytes)
	}
	c := Cursor{Scope: CursorScope(raw[1+NetworkPrefix])}
	copy(c.Network[:], raw[1:])
	rest := raw[2+NetworkPrefix:]
	c.Namespace, c.Commit = dag.Namespace(binary.BigEndian.Uint64(rest)), dag.CommitIndex(binary.BigEndian.Uint64(rest[8:]))
	c.Index, c.Hash = binary.BigEndian.Uint32(rest[16:]), crypto.Digest(rest[20:])
	switch {
	case c.Scope > last || c.Scope == All && c.Namespace != 0:
		return Cursor{}, fmt.Errorf("%w: unknown scope", ErrCursor)
	case c.Commit > math.MaxInt64 || c.Commit == 0 && c.Index != EndOfCommit:
		return Cursor{}, fmt.Errorf("%w: item %d of commit %d", ErrCursor, c.Index, c.Commit)
	}
	return c, nil
}
