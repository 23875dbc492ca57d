package sim

// badParents makes twins that refer to blocks that do not exist.
type badParents struct{}

func newBadParents(*adversary) any { return badParents{} }

func (badParents) shape(a *adversary, drafts []draft) []draft {
	if len(drafts) == 0 || a.random.IntN(2) == 0 {
		return drafts
	}
	t := drafts[0].twin()
	parents := t.block.Parents
	for range 1 + a.random.IntN(len(parents)) {
		i := a.random.IntN(len(parents))
		if parents[i].Round > 0 {
			parents[i].Digest = a.noise()
		}
	}
	return append(drafts, t)
}
