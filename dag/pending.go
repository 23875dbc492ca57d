package dag

import "slices"

// Limits of the blocks that wait for ancestors. What is refused here is fetched again later, in
// causal order, so refusing costs time and never a block.
const (
	maxPendingPerAuthor      = 256     // blocks signed by one author
	maxPendingBytesPerAuthor = 8 << 20 // their encoded bytes
	maxPendingPerPeer        = 1024    // blocks sent by one peer
	maxPendingBytesPerPeer   = 32 << 20
)

// pending holds the blocks that wait for ancestors, indexed by the parent that is missing, so that
// an arrival costs what it releases and not a scan of all that waits.
type pending struct {
	blocks   map[Ref]*waiting
	awaiting map[Ref][]*waiting    // by missing parent
	authors  map[Author][]*waiting // the blocks by author, at most maxPendingPerAuthor each
	byAuthor map[Author]usage
	byPeer   map[uint32]usage
}

type waiting struct {
	block   *Verified
	from    uint32
	missing int
	holders AuthorSet // who has shown that it holds the block, and therefore all below it
}

type usage struct{ blocks, bytes int }

func (u usage) plus(size int) usage { return usage{u.blocks + 1, u.bytes + size} }

func (u usage) minus(size int) usage { return usage{u.blocks - 1, u.bytes - size} }

func (u usage) exceeds(blocks, bytes int) bool { return u.blocks > blocks || u.bytes > bytes }

func newPending() pending {
	return pending{
		blocks: make(map[Ref]*waiting), awaiting: make(map[Ref][]*waiting), authors: make(map[Author][]*waiting),
		byAuthor: make(map[Author]usage), byPeer: make(map[uint32]usage),
	}
}

func (p *pending) has(r Ref) bool { _, ok := p.blocks[r]; return ok }

func (p *pending) awaited(r Ref) bool { return len(p.awaiting[r]) > 0 }

// suspend makes b wait for the absent parents. It reports false where a limit is reached; an
// author at its limit loses its highest waiting block to a lower one, which is closer to use.
func (p *pending) suspend(b *Verified, from uint32, absent []Ref) bool {
	size := len(b.raw)
	if p.byPeer[from].plus(size).exceeds(maxPendingPerPeer, maxPendingBytesPerPeer) {
		return false
	}
	for p.byAuthor[b.Author()].plus(size).exceeds(maxPendingPerAuthor, maxPendingBytesPerAuthor) {
		highest := p.highestOf(b.Author())
		if highest == nil || highest.block.ref.Compare(b.ref) <= 0 {
			return false
		}
		p.drop(highest)
	}
	w := &waiting{block: b, from: from, missing: len(absent)}
	p.blocks[b.ref] = w
	p.authors[b.Author()] = append(p.authors[b.Author()], w)
	for _, r := range absent {
		p.awaiting[r] = append(p.awaiting[r], w)
	}
	p.byAuthor[b.Author()] = p.byAuthor[b.Author()].plus(size)
	p.byPeer[from] = p.byPeer[from].plus(size)
	return true
}

// release returns the blocks for which r was the last missing parent.
func (p *pending) release(r Ref) []*Verified {
	var out []*Verified
	for _, w := range p.awaiting[r] {
		if w.missing--; w.missing == 0 {
			p.forget(w)
			out = append(out, w.block)
		}
	}
	delete(p.awaiting, r)
	return out
}

// collect forgets waiting blocks up to floor and returns those that now wait for nothing, in order
// of Ref.
func (p *pending) collect(floor Round) []*Verified {
	for _, w := range p.blocks {
		if w.block.Round() <= floor {
			p.drop(w)
		}
	}
	var gone []Ref
	for r := range p.awaiting {
		if r.Round <= floor {
			gone = append(gone, r)
		}
	}
	slices.SortFunc(gone, Ref.Compare)
	var out []*Verified
	for _, r := range gone {
		out = append(out, p.release(r)...)
	}
	slices.SortFunc(out, func(a, b *Verified) int { return a.ref.Compare(b.ref) })
	return out
}

// below is what is missing under r and holder must have, since it sent r or what refers to it. A
// waiting block is walked once for every holder, however often it is referred to.
func (p *pending) below(r Ref, holder Author) []Ref {
	var out []Ref
	for stack := []Ref{r}; len(stack) > 0; {
		r := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		w := p.blocks[r]
		switch {
		case w == nil:
			out = append(out, r)
			continue
		case w.holders.Has(holder):
			continue
		}
		w.holders.Add(holder)
		for _, parent := range w.block.block.Parents {
			if p.awaited(parent) {
				stack = append(stack, parent)
			}
		}
	}
	return out
}

func (p *pending) wanted() []Ref {
	var out []Ref
	for r := range p.awaiting {
		if !p.has(r) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, Ref.Compare)
	return out
}

// drop removes a block that still waits.
func (p *pending) drop(w *waiting) {
	for _, r := range w.block.block.Parents {
		list, ok := p.awaiting[r]
		if !ok {
			continue
		}
		if list = slices.DeleteFunc(list, func(o *waiting) bool { return o == w }); len(list) == 0 {
			delete(p.awaiting, r)
		} else {
			p.awaiting[r] = list
		}
	}
	p.forget(w)
}

// forget removes w from everything but awaiting.
func (p *pending) forget(w *waiting) {
	delete(p.blocks, w.block.ref)
	author := w.block.Author()
	rest := slices.DeleteFunc(p.authors[author], func(o *waiting) bool { return o == w })
	if p.authors[author] = rest; len(rest) == 0 {
		delete(p.authors, author)
	}
	size := len(w.block.raw)
	giveBack(p.byAuthor, author, size)
	giveBack(p.byPeer, w.from, size)
}

func (p *pending) highestOf(a Author) *waiting {
	var highest *waiting
	for _, w := range p.authors[a] {
		if highest == nil || w.block.ref.Compare(highest.block.ref) > 0 {
			highest = w
		}
	}
	return highest
}

func giveBack[K comparable](m map[K]usage, k K, size int) {
	if m[k] = m[k].minus(size); m[k].blocks == 0 {
		delete(m, k)
	}
}
