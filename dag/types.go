// Package dag holds the vertices of Dunlin's order and the graph that they form: the block and
// its one encoding, the committee that signs blocks, the check that makes bytes a Verified block,
// and the causally complete DAG with what still waits for its ancestors.
//
// The package is pure: no time, randomness, goroutine, lock, log or I/O, and no output that
// depends on map order. It imports crypto alone.
package dag

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/dunlin-network/dunlin/crypto"
)

// Round numbers the layers of the DAG. Round 0 holds the genesis blocks.
type Round uint64

// Author is a validator's index in the committee of the epoch.
type Author uint16

// Epoch numbers the committees.
type Epoch uint64

// Namespace identifies one rollup.
type Namespace uint64

// CommitIndex numbers commits, gaplessly and across epochs. The first commit has index 1.
type CommitIndex uint64

// Slot is where an author's block of a round stands. An honest author fills it once.
type Slot struct {
	Round  Round
	Author Author
}

// Ref names one block: its slot and its digest. Twins share the slot and differ in the digest.
type Ref struct {
	Round  Round
	Author Author
	Digest crypto.Digest
}

// RefSize is the size of an encoded Ref in bytes.
const RefSize = 8 + 2 + crypto.DigestSize

// CommitRef names a commit by index and digest; the zero value is "nothing committed yet".
type CommitRef struct {
	Index  CommitIndex
	Digest crypto.Digest
}

// letters is how many authors have a one-letter name.
const letters = 26

// String is A, B, ... Z for the first 26 authors and N26, N27, ... from there on.
func (a Author) String() string {
	if a < letters {
		return string(rune('A' + a))
	}
	return "N" + strconv.Itoa(int(a))
}

// ParseAuthor reads what Author.String wrote, and nothing else.
func ParseAuthor(text string) (Author, error) {
	if len(text) == 1 && text[0] >= 'A' && text[0] <= 'Z' {
		return Author(text[0] - 'A'), nil
	}
	if digits, ok := strings.CutPrefix(text, "N"); ok {
		if n, err := parseNumber(digits, 16); err == nil && n >= letters {
			return Author(n), nil
		}
	}
	return 0, fmt.Errorf("parse author %q: want A..Z or N26 and on", text)
}

// parseNumber reads a decimal number without sign and leading zeros.
func parseNumber(text string, bits int) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, bits)
	if err == nil && strconv.FormatUint(n, 10) != text {
		return 0, fmt.Errorf("parse number %q: want no leading zeros", text)
	}
	return n, err
}

// String is B3, or N26_3 from the 27th author on.
func (s Slot) String() string {
	if s.Author < letters {
		return s.Author.String() + strconv.FormatUint(uint64(s.Round), 10)
	}
	return s.Author.String() + "_" + strconv.FormatUint(uint64(s.Round), 10)
}

// ParseSlot reads what Slot.String wrote, and nothing else.
func ParseSlot(text string) (Slot, error) {
	author, round, long := strings.Cut(text, "_")
	if !long && text != "" {
		author, round = text[:1], text[1:]
	}
	a, err := ParseAuthor(author)
	if err != nil || long != (a >= letters) {
		return Slot{}, fmt.Errorf("parse slot %q: want B3, or N26_3 from the 27th author on", text)
	}
	r, err := parseNumber(round, 64)
	if err != nil {
		return Slot{}, fmt.Errorf("parse slot %q: round: %w", text, err)
	}
	return Slot{Round: Round(r), Author: a}, nil
}

// Slot is where the block stands.
func (r Ref) Slot() Slot { return Slot{Round: r.Round, Author: r.Author} }

// String is B3#9f2a.
func (r Ref) String() string { return r.Slot().String() + "#" + r.Digest.Short() }

// MarshalText is B3# and the whole digest in hex, from which UnmarshalText makes r again.
func (r Ref) MarshalText() ([]byte, error) {
	return []byte(r.Slot().String() + "#" + r.Digest.String()), nil
}

// UnmarshalText reads what MarshalText wrote, and nothing else.
func (r *Ref) UnmarshalText(text []byte) error {
	slot, digest, _ := strings.Cut(string(text), "#")
	s, err := ParseSlot(slot)
	if err != nil {
		return fmt.Errorf("parse ref: %w", err)
	}
	d, err := crypto.ParseDigest(digest)
	if err != nil {
		return fmt.Errorf("parse ref: %w", err)
	}
	*r = Ref{Round: s.Round, Author: s.Author, Digest: d}
	return nil
}

// Compare orders refs by round, author and digest.
func (r Ref) Compare(o Ref) int {
	if c := cmp.Or(cmp.Compare(r.Round, o.Round), cmp.Compare(r.Author, o.Author)); c != 0 {
		return c
	}
	return bytes.Compare(r.Digest[:], o.Digest[:])
}

// Append appends r's 42-byte encoding: round and author big-endian, then the digest.
func (r Ref) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(r.Round))
	b = binary.BigEndian.AppendUint16(b, uint16(r.Author))
	return append(b, r.Digest[:]...)
}

// DecodeRef reads the first RefSize bytes of b, which must hold them.
func DecodeRef(b []byte) Ref {
	return Ref{
		Round:  Round(binary.BigEndian.Uint64(b)),
		Author: Author(binary.BigEndian.Uint16(b[8:])),
		Digest: crypto.Digest(b[10:RefSize]),
	}
}

// String is 17#9f2a.
func (c CommitRef) String() string {
	return strconv.FormatUint(uint64(c.Index), 10) + "#" + c.Digest.Short()
}
