package rollupapi

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// position is a place between two items of the order: after item index of a commit.
type position struct {
	commit dag.CommitIndex
	index  uint32
}

// endOfCommit as an index stands behind all items of a commit and its header.
const endOfCommit = math.MaxUint32

func after(commit dag.CommitIndex) position { return position{commit, endOfCommit} }

// A cursor is a position as text: base64url without padding of
//
//	version 1 | first 8 bytes of the network id | scope 1 | namespace 8 | commit 8 | index 4
//
// integers big-endian. All nodes of a network write the same cursor for the same position.
const (
	cursorVersion = 1
	cursorBytes   = 1 + networkPrefix + 1 + 8 + 8 + 4
	networkPrefix = 8

	scopeAll       = 0 // several namespaces or all; namespace is 0
	scopeNamespace = 1
)

// The words that are taken in place of a cursor.
const (
	cursorGenesis = "genesis" // before everything
	cursorTip     = "tip"     // behind everything that is committed now
	cursorCommit  = "commit:" // behind the commit whose number follows
)

// encodeCursor writes the cursor of a position for readers of a scope.
func encodeCursor(network crypto.Digest, s scope, at position) string {
	var raw [cursorBytes]byte
	b := append(raw[:0], cursorVersion)
	b = append(b, network[:networkPrefix]...)
	mark, ns := s.mark()
	b = append(b, mark)
	b = binary.BigEndian.AppendUint64(b, uint64(ns))
	b = binary.BigEndian.AppendUint64(b, uint64(at.commit))
	b = binary.BigEndian.AppendUint32(b, at.index)
	var text [(cursorBytes*8 + 5) / 6]byte
	base64.RawURLEncoding.Encode(text[:], b)
	return string(text[:])
}

// parseCursor reads a cursor or one of the words. A cursor of several namespaces or all may be
// used for any; one of a single namespace only for that one. Errors are Refusals.
func parseCursor(network crypto.Digest, s scope, text string, head dag.CommitIndex) (position, error) {
	switch {
	case text == cursorGenesis:
		return after(0), nil
	case text == cursorTip:
		return after(head), nil
	case strings.HasPrefix(text, cursorCommit):
		n, err := strconv.ParseUint(text[len(cursorCommit):], 10, 64)
		if err != nil || n > math.MaxInt64 {
			return position{}, malformedCursor("%q needs a commit's number behind the colon", clip(text))
		}
		return after(dag.CommitIndex(n)), nil
	case len(text) > maxCursorBytes:
		return position{}, malformedCursor("cursor of %d characters", len(text))
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) == 0 || strings.ContainsAny(text, "\r\n") { // the decoder skips line ends
		return position{}, malformedCursor("%q is neither genesis, tip, commit:N nor a cursor", clip(text))
	}
	if raw[0] != cursorVersion {
		return position{}, malformedCursor("cursor of version %d, this node reads %d", raw[0], cursorVersion)
	}
	if len(raw) != cursorBytes {
		return position{}, malformedCursor("cursor of %d bytes, want %d", len(raw), cursorBytes)
	}
	return decodeCursor(network, s, raw[1:])
}

// decodeCursor reads what follows the version.
func decodeCursor(network crypto.Digest, s scope, raw []byte) (position, error) {
	if string(raw[:networkPrefix]) != string(network[:networkPrefix]) {
		r := refuse(ReasonCursorForeign, "the cursor is of network %x..., this is %x...", raw[:networkPrefix], network[:networkPrefix])
		return position{}, r.at("cursor")
	}
	raw = raw[networkPrefix:]
	mark, ns := raw[0], dag.Namespace(binary.BigEndian.Uint64(raw[1:]))
	if mark > scopeNamespace || (mark == scopeAll && ns != 0) {
		return position{}, malformedCursor("cursor of an unknown scope")
	}
	if mark == scopeNamespace {
		if wantMark, want := s.mark(); wantMark != scopeNamespace || want != ns {
			r := refuse(ReasonCursorScope, "the cursor is of namespace %d alone: use it for that one, or start from commit:N", ns)
			return position{}, r.at("cursor")
		}
	}
	at := position{commit: dag.CommitIndex(binary.BigEndian.Uint64(raw[9:])), index: binary.BigEndian.Uint32(raw[17:])}
	if at.commit > math.MaxInt64 || (at.commit == 0 && at.index != endOfCommit) {
		return position{}, malformedCursor("cursor at item %d of commit %d", at.index, at.commit)
	}
	return at, nil
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
