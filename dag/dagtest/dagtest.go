// Package dagtest makes DAGs for tests: really signed blocks from pictures, random DAGs with
// adversaries from a seed, and orders in which to feed them.
//
// Everything is a function of its arguments, so that a failure repeats.
package dagtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/picture"
)

// Epoch is the epoch of all committees and blocks of this package.
const Epoch dag.Epoch = 1

// Key is the signing key of an author.
func Key(a dag.Author) *crypto.IdentityKey {
	seed := bytes.Repeat([]byte{0x5d}, crypto.SeedSize)
	binary.BigEndian.PutUint16(seed, uint16(a))
	key, err := crypto.NewIdentityKey(seed)
	if err != nil {
		panic("dagtest: key of a seed of the right size: " + err.Error())
	}
	return key
}

// Committee is n validators with the keys of this package.
func Committee(n int) *dag.Committee {
	validators := make([]dag.Validator, n)
	for i := range validators {
		validators[i] = dag.Validator{Name: "validator-" + strconv.Itoa(i), Identity: Key(dag.Author(i)).Public()}
	}
	c, err := dag.NewCommittee(crypto.Hash("test/dagtest"), Epoch, validators)
	if err != nil {
		panic(fmt.Sprintf("dagtest: committee of %d: %v", n, err))
	}
	return c
}

// Signed is a picture made into signed blocks.
type Signed struct {
	Committee *dag.Committee
	Picture   *picture.Picture
	Blocks    []*dag.Verified // in the order of the picture
	Names     map[dag.Ref]picture.Name

	byName map[picture.Name]*dag.Verified
	keys   []*crypto.IdentityKey
	fill   Fill
}

// Fill gives the block of a name what is no reference, by writing into it.
type Fill func(picture.Name, *dag.Block)

// Build reads a picture and signs its blocks; the test ends where that is not possible. A block of
// round r has the time 1000*r milliseconds, and one more for each twin.
func Build(t testing.TB, text string) *Signed {
	t.Helper()
	return BuildFilled(t, text, func(picture.Name, *dag.Block) {})
}

// BuildFilled is Build with contents.
func BuildFilled(t testing.TB, text string, fill Fill) *Signed {
	t.Helper()
	p, err := picture.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Sign(p, fill)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Sign signs the blocks of a picture. It fails where a block breaks the rules of validity.
func Sign(p *picture.Picture, fill Fill) (*Signed, error) {
	s := &Signed{
		Committee: Committee(p.Authors), Picture: &picture.Picture{Authors: p.Authors}, fill: fill,
		Names: make(map[dag.Ref]picture.Name), byName: make(map[picture.Name]*dag.Verified),
	}
	for a := range p.Authors {
		s.keys = append(s.keys, Key(dag.Author(a)))
	}
	return s, s.Extend(p.Blocks)
}

// Extend signs more blocks, whose parents must stand before them or among the ones there are.
func (s *Signed) Extend(blocks []picture.Block) error {
	for i := range blocks {
		b := &blocks[i]
		content := dag.Block{
			Epoch: Epoch, Round: b.Name.Round, Author: b.Name.Author,
			Time: uint64(b.Name.Round)*1000 + uint64(b.Name.Twin),
		}
		for _, n := range b.Parents {
			content.Parents = append(content.Parents, s.Ref(n))
		}
		s.fill(b.Name, &content)
		v, err := dag.Seal(s.Committee, content, s.keys[b.Name.Author])
		if err != nil {
			return fmt.Errorf("sign %v: %w", b.Name, err)
		}
		s.Blocks, s.Names[v.Ref()], s.byName[b.Name] = append(s.Blocks, v), b.Name, v
		s.Picture.Blocks = append(s.Picture.Blocks, *b)
	}
	return nil
}

// Block is the block of a name; nil for genesis and for names that the picture does not have.
func (s *Signed) Block(n picture.Name) *dag.Verified { return s.byName[n] }

// Named is the block that a text names: B3 or B3.1. It panics if the picture has none.
func (s *Signed) Named(text string) *dag.Verified {
	n, err := picture.ParseName(text)
	if err != nil || s.byName[n] == nil {
		panic("dagtest: no block " + text)
	}
	return s.byName[n]
}

// Ref is the reference of a name, which may be genesis. It panics if the picture does not have it.
func (s *Signed) Ref(n picture.Name) dag.Ref {
	if n.Round == 0 {
		return s.Committee.Genesis(n.Author)
	}
	b := s.byName[n]
	if b == nil {
		panic("dagtest: no block " + n.String())
	}
	return b.Ref()
}

// Feed adds blocks to a graph, as sent by their authors, and returns what joined it, in order.
func Feed(graph *dag.DAG, blocks []*dag.Verified) []*dag.Vertex {
	var out []*dag.Vertex
	for _, b := range blocks {
		out = append(out, graph.Add(b, uint32(b.Author())).Accepted...)
	}
	return out
}

// Draw is the canonical text of a graph.
func Draw(graph *dag.DAG) string { return picture.Of(graph).String() }
