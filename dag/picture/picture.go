// Package picture is a small text language for DAGs, one line a round, and the structure that it
// describes. Scenarios of the commit rule are written in it, and DAGs out of running nodes are
// shown in it.
//
//	n=4
//	1: *
//	2: * -> [-D1]; D
//	3: A B -> *; C -> [C2 A2 B2 D1]; A.1 -> [-B2]
//
// The first line is the number of authors. Every other line gives blocks of one round, in the order
// in which they are made or fed. Left of the arrow stand their authors: A, B, ..., N26, ...; A.1
// is A's second block of the round, its twin; * is everybody whom the line does not name otherwise,
// and -D everybody but D and whom the line names otherwise. Right of the arrow stand the parents:
//
//   - the author's own newest block, then all of the round before
//     [-D1]      the same without D's block
//     [* D1]     the same and D1 too; where * holds another block of D, D1 takes its place
//     [B1 C1.1]  exactly these, in this order
//
// Without an arrow the parents are *. A line sees the blocks of the lines before it, so that a late
// block is written on a later line of its own. What follows a # is a comment.
//
// The package is pure, and nothing in it is safe for concurrent change.
package picture

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// Limits of a picture that is read from text.
const (
	// MaxBytes bounds the text: 6,000 rounds of 4 authors in long form take less than 2 MiB.
	MaxBytes = 16 << 20
	// MaxReferences bounds the references of all blocks together, which short forms multiply.
	MaxReferences = 1 << 20
	// MaxBlocks bounds the blocks, which may have no references at all.
	MaxBlocks = 1 << 20
)

// Name is how a picture calls a block: its slot and which of the slot's blocks it is.
type Name struct {
	Round  dag.Round
	Author dag.Author
	Twin   uint16 // 0 for the first block of the slot
}

// Slot is where the block stands.
func (n Name) Slot() dag.Slot { return dag.Slot{Round: n.Round, Author: n.Author} }

// String is B3, or B3.1 for a twin.
func (n Name) String() string {
	if n.Twin == 0 {
		return n.Slot().String()
	}
	return n.Slot().String() + "." + strconv.Itoa(int(n.Twin))
}

// ParseName reads what String wrote, and nothing else.
func ParseName(text string) (Name, error) {
	slot, twin, err := cutTwin(text)
	if err != nil {
		return Name{}, fmt.Errorf("parse block name %q: %w", text, err)
	}
	s, err := dag.ParseSlot(slot)
	if err != nil {
		return Name{}, fmt.Errorf("parse block name %q: %w", text, err)
	}
	return Name{Round: s.Round, Author: s.Author, Twin: twin}, nil
}

func cutTwin(text string) (rest string, twin uint16, err error) {
	rest, digits, found := strings.Cut(text, ".")
	if !found {
		return rest, 0, nil
	}
	k, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || k == 0 || strconv.FormatUint(k, 10) != digits {
		return "", 0, fmt.Errorf("twin %q: want a number from 1 on", digits)
	}
	return rest, uint16(k), nil
}

// Block is one vertex of a picture.
type Block struct {
	Name    Name
	Parents []Name // in the order of the references; round 0 is genesis
}

// Picture is a DAG without contents.
type Picture struct {
	Authors int
	Blocks  []Block // in an order in which parents come before their children
}

// Digest is the digest that Insert gives to the block of a name.
func Digest(n Name) crypto.Digest { return crypto.Hash(crypto.DomainBlock, []byte(n.String())) }

// Insert puts the blocks into graph as vertices without contents, and returns them in the order of
// Blocks. The graph's committee must have as many members as the picture has authors.
func (p *Picture) Insert(graph *dag.DAG) []*dag.Vertex {
	out := make([]*dag.Vertex, 0, len(p.Blocks))
	for i := range p.Blocks {
		b := &p.Blocks[i]
		parents := make([]dag.Ref, 0, len(b.Parents))
		for _, n := range b.Parents {
			if n.Round > 0 {
				parents = append(parents, dag.Ref{Round: n.Round, Author: n.Author, Digest: Digest(n)})
			}
		}
		out = append(out, graph.Insert(dag.Ref{Round: b.Name.Round, Author: b.Name.Author, Digest: Digest(b.Name)}, parents))
	}
	return out
}

// Of is the picture of a graph: its rounds from the oldest held on, each in order of acceptance,
// which also numbers the twins. References to blocks that the graph has collected are left out, and
// references to genesis where the graph has no contents.
func Of(graph *dag.DAG) *Picture {
	p := &Picture{Authors: graph.Committee().Size()}
	for r := graph.Floor() + 1; r <= graph.Highest(); r++ {
		for _, v := range graph.Arrived(r) {
			p.Blocks = append(p.Blocks, Block{Name: nameOf(graph, v), Parents: parentsOf(graph, v)})
		}
	}
	return p
}

func nameOf(graph *dag.DAG, v *dag.Vertex) Name {
	return Name{Round: v.Round(), Author: v.Author(), Twin: uint16(slices.Index(graph.At(v.Slot()), v))}
}

func parentsOf(graph *dag.DAG, v *dag.Vertex) []Name {
	var out []Name
	if v.Verified() == nil {
		for _, p := range v.Parents() {
			out = append(out, nameOf(graph, p))
		}
		return out
	}
	for _, r := range v.Verified().Block().Parents {
		if parent := graph.Get(r); parent != nil {
			out = append(out, nameOf(graph, parent))
		} else if r.Round == 0 {
			out = append(out, Name{Author: r.Author})
		}
	}
	return out
}
