package dagtest

import (
	"container/heap"
	"math/rand/v2"

	"github.com/dunlin-network/dunlin/dag/picture"
)

// Shuffle is a random order of the blocks of a picture in which parents come before their
// children: indices into Blocks. Most blocks come about where their round does, and some up to
// delay rounds later, which holds up their descendants.
func Shuffle(random *rand.Rand, p *picture.Picture, delay int) []int {
	place := make(map[picture.Name]int, len(p.Blocks))
	for i := range p.Blocks {
		place[p.Blocks[i].Name] = i
	}
	missing, children := make([]int, len(p.Blocks)), make([][]int, len(p.Blocks))
	ready := &arrivals{}
	key := func(i int) float64 {
		at := float64(p.Blocks[i].Name.Round) + random.Float64()*2
		if random.IntN(4) == 0 {
			at += random.Float64() * float64(delay)
		}
		return at
	}
	for i := range p.Blocks {
		for _, n := range p.Blocks[i].Parents {
			if at, ok := place[n]; ok {
				missing[i]++
				children[at] = append(children[at], i)
			}
		}
		if missing[i] == 0 {
			heap.Push(ready, arrival{i, key(i)})
		}
	}
	order := make([]int, 0, len(p.Blocks))
	for ready.Len() > 0 {
		i := heap.Pop(ready).(arrival).block
		order = append(order, i)
		for _, c := range children[i] {
			if missing[c]--; missing[c] == 0 {
				heap.Push(ready, arrival{c, key(c)})
			}
		}
	}
	return order
}

// Reordered is p with its blocks in an order of indices.
func Reordered(p *picture.Picture, order []int) *picture.Picture {
	out := &picture.Picture{Authors: p.Authors, Blocks: make([]picture.Block, len(order))}
	for i, at := range order {
		out.Blocks[i] = p.Blocks[at]
	}
	return out
}

type arrival struct {
	block int
	at    float64
}

type arrivals []arrival

func (a arrivals) Len() int           { return len(a) }
func (a arrivals) Less(i, j int) bool { return a[i].at < a[j].at }
func (a arrivals) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *arrivals) Push(x any)        { *a = append(*a, x.(arrival)) }

func (a *arrivals) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}
