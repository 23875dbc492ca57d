// Package vector reads DAGs that come with questions to the commit rule, in JSON, and answers the
// questions with the decisions of Dunlin's committer. Expectations are read apart from the questions,
// so that an answer cannot depend on them.
//
// The package is pure.
package vector

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// Limits of a vector.
const (
	// MaxBytes bounds the file: 6,000 rounds of 4 validators take about 3 MiB.
	MaxBytes = 32 << 20
	// MaxSteps bounds the evaluations of one vector, each of which starts from nothing.
	MaxSteps = 4096
	// MaxRound bounds the rounds, which are walked one by one.
	MaxRound = 1 << 20
)

// ErrVector wraps everything that can be wrong with a vector.
var ErrVector = errors.New("unreadable vector")

// Vector is one DAG with its questions. It is immutable once decoded.
type Vector struct {
	Name      string
	Authors   int
	Anchors   map[dag.Round][]dag.Author // in slot order; a round that is missing has none
	Blocks    []Block                    // references stand before what refers to them
	Steps     []Step
	Sequences []Sequence
	place     map[string]int // of a block, by id
}

// Block is one vertex. It need not be valid: the commit rule is asked about DAGs that break validity.
type Block struct {
	ID     string
	Round  dag.Round
	Author dag.Author
	Refs   []string
}

// Step is one evaluation with only the first Blocks blocks known.
type Step struct {
	Blocks int
	Last   dag.Slot // slots up to this one are decided already; the zero slot is nothing yet
	Slots  []Question
}

// Question is a question about one slot.
type Question struct {
	Slot   dag.Slot
	Ask    string // direct, indirect or final
	Anchor string // the id of the block that the indirect rule looks from
}

// Sequence is committed anchors, one a commit, whose order of blocks is asked for.
type Sequence struct {
	Anchors []string
	Depth   *dag.Round // rounds below the previous commit that can still be ordered; nil for all
}

// The JSON forms. A linearize question calls the anchors by a word that is not Dunlin's, so its
// key is written with an escape.
type (
	jsonVector struct {
		Name  string `json:"name"`
		Input struct {
			Authors   int                     `json:"n"`
			Anchors   map[string][]dag.Author `json:"anchors"`
			Blocks    []jsonBlock             `json:"blocks"`
			Steps     []jsonStep              `json:"steps"`
			Linearize []jsonSequence          `json:"linearize"`
		} `json:"input"`
	}
	jsonBlock struct {
		ID     string     `json:"id"`
		Round  dag.Round  `json:"round"`
		Author dag.Author `json:"author"`
		Refs   []string   `json:"refs"`
	}
	jsonSlot struct {
		Round  dag.Round  `json:"round"`
		Author dag.Author `json:"author"`
	}
	jsonStep struct {
		Blocks *int           `json:"blocks"`
		Last   jsonSlot       `json:"last_decided"`
		Slots  []jsonQuestion `json:"slots"`
	}
	jsonQuestion struct {
		jsonSlot
		Ask    string `json:"ask"`
		Anchor string `json:"anchor"`
	}
	jsonSequence struct {
		Anchors []string   `json:"lead\x65rs"`
		Depth   *dag.Round `json:"gc_depth"`
	}
)

// Decode reads a vector and checks that its parts fit each other. Errors wrap ErrVector.
func Decode(raw []byte) (*Vector, error) {
	if len(raw) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrVector, len(raw), MaxBytes)
	}
	var in jsonVector
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&in); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrVector, err)
	}
	v := &Vector{Name: in.Name, Authors: in.Input.Authors, place: make(map[string]int)}
	if v.Authors < 1 || v.Authors > dag.MaxCommittee {
		return nil, fmt.Errorf("%w: %d validators, want 1 to %d", ErrVector, v.Authors, dag.MaxCommittee)
	}
	if err := v.takeAnchors(in.Input.Anchors); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrVector, err)
	}
	for _, b := range in.Input.Blocks {
		if err := v.takeBlock(Block(b)); err != nil {
			return nil, fmt.Errorf("%w: block %q: %w", ErrVector, b.ID, err)
		}
	}
	if len(in.Input.Steps) > MaxSteps || len(in.Input.Linearize) > MaxSteps {
		return nil, fmt.Errorf("%w: more than %d steps", ErrVector, MaxSteps)
	}
	for i, s := range in.Input.Steps {
		if err := v.takeStep(s); err != nil {
			return nil, fmt.Errorf("%w: step %d: %w", ErrVector, i, err)
		}
	}
	for i, s := range in.Input.Linearize {
		for _, id := range s.Anchors {
			if _, ok := v.place[id]; !ok {
				return nil, fmt.Errorf("%w: linearize %d: no block %q", ErrVector, i, id)
			}
		}
		v.Sequences = append(v.Sequences, Sequence(s))
	}
	return v, nil
}

func (v *Vector) takeAnchors(in map[string][]dag.Author) error {
	v.Anchors = make(map[dag.Round][]dag.Author, len(in))
	for key, authors := range in {
		r, err := strconv.ParseUint(key, 10, 63)
		if err != nil {
			return fmt.Errorf("anchors of round %q: %w", key, err)
		}
		var taken dag.AuthorSet
		for _, a := range authors {
			if int(a) >= v.Authors || taken.Has(a) {
				return fmt.Errorf("anchors of round %d: author %d is unknown or named twice", r, a)
			}
			taken.Add(a)
		}
		v.Anchors[dag.Round(r)] = authors
	}
	return nil
}

func (v *Vector) takeBlock(b Block) error {
	_, taken := v.place[b.ID]
	switch {
	case taken:
		return errors.New("stands there twice")
	case b.Round == 0 || b.Round > MaxRound || int(b.Author) >= v.Authors:
		return fmt.Errorf("round %d of author %d", b.Round, b.Author)
	}
	for _, r := range b.Refs {
		if _, known := v.place[r]; !known && !v.genesis(r) {
			return fmt.Errorf("reference %q does not stand before it", r)
		}
	}
	v.place[b.ID] = len(v.Blocks)
	v.Blocks = append(v.Blocks, b)
	return nil
}

// genesis reports whether an id is one of the implicit blocks of round 0.
func (v *Vector) genesis(id string) bool {
	s, err := dag.ParseSlot(id)
	return err == nil && s.Round == 0 && int(s.Author) < v.Authors
}

func (v *Vector) takeStep(s jsonStep) error {
	out := Step{Blocks: len(v.Blocks), Last: dag.Slot(s.Last)}
	if s.Blocks != nil {
		out.Blocks = *s.Blocks
	}
	if out.Blocks < 0 || out.Blocks > len(v.Blocks) || s.Last.Round > MaxRound {
		return fmt.Errorf("first %d of %d blocks, after round %d", out.Blocks, len(v.Blocks), s.Last.Round)
	}
	for _, q := range s.Slots {
		at, known := v.place[q.Anchor]
		switch {
		case int(q.Author) >= v.Authors || q.Round > MaxRound:
			return fmt.Errorf("slot of round %d and author %d", q.Round, q.Author)
		case q.Ask != "direct" && q.Ask != "indirect" && q.Ask != "final":
			return fmt.Errorf("question %q", q.Ask)
		case q.Ask == "indirect" && (!known || at >= out.Blocks):
			return fmt.Errorf("anchor %q is not among the first %d blocks", q.Anchor, out.Blocks)
		}
		out.Slots = append(out.Slots, Question{Slot: dag.Slot(q.jsonSlot), Ask: q.Ask, Anchor: q.Anchor})
	}
	v.Steps = append(v.Steps, out)
	return nil
}

// ref names the block of an id in a graph that Graph made.
func (v *Vector) ref(id string) dag.Ref {
	b := &v.Blocks[v.place[id]]
	return dag.Ref{Round: b.Round, Author: b.Author, Digest: crypto.Hash(crypto.DomainBlock, []byte(id))}
}

// Graph is the DAG of the first blocks, without contents, and its vertices in the same order.
func (v *Vector) Graph(blocks int) (*dag.DAG, []*dag.Vertex, error) {
	committee, err := v.committee()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrVector, err)
	}
	graph := dag.New(committee)
	vertices := make([]*dag.Vertex, 0, blocks)
	for _, b := range v.Blocks[:blocks] {
		var parents []dag.Ref
		for _, id := range b.Refs {
			if _, ok := v.place[id]; ok {
				parents = append(parents, v.ref(id))
			}
		}
		vertices = append(vertices, graph.Insert(v.ref(b.ID), parents))
	}
	return graph, vertices, nil
}

// committee has the vector's size; its members sign nothing.
func (v *Vector) committee() (*dag.Committee, error) {
	validators := make([]dag.Validator, v.Authors)
	for i := range validators {
		validators[i].Identity = crypto.PublicKey{byte(i >> 8), byte(i)}
	}
	return dag.NewCommittee(crypto.Digest{}, 0, validators)
}
