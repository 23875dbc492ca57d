package vector

import (
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/picture"
	"github.com/dunlin-network/dunlin/ordering"
)

// OfPicture is a picture as a vector with one step that knows all of it. Every author has an anchor
// slot in every round, as in a network that has demoted nobody.
func OfPicture(name string, p *picture.Picture) *Vector {
	v := &Vector{Name: name, Authors: p.Authors, Anchors: make(map[dag.Round][]dag.Author), place: make(map[string]int)}
	all := make([]dag.Author, p.Authors)
	for a := range all {
		all[a] = dag.Author(a)
	}
	schedule := ordering.Rotate(all)
	for i, b := range p.Blocks {
		block := Block{ID: b.Name.String(), Round: b.Name.Round, Author: b.Name.Author}
		for _, n := range b.Parents {
			block.Refs = append(block.Refs, n.String())
		}
		v.Blocks, v.place[block.ID] = append(v.Blocks, block), i
		v.Anchors[b.Name.Round] = schedule(b.Name.Round)
	}
	v.Steps = []Step{{Blocks: len(v.Blocks)}}
	return v
}
