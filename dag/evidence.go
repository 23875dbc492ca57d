package dag

// Evidence is two different blocks that one author signed for one slot: proof of equivocation.
type Evidence struct {
	First, Second *Verified
}

// Slot is where the author equivocated.
func (e Evidence) Slot() Slot { return e.First.Slot() }
