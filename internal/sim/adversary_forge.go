package sim

import "github.com/dunlin-network/dunlin/dag"

// forge says blocks with a broken signature and with rules broken. They never become Verified, so
// that no engine sees them; with real signatures dag.Verify refuses the bytes.
type forge struct{}

func newForge(*adversary) any { return forge{} }

func (forge) meddle(a *adversary, round dag.Round) {
	w := a.world
	d := a.honestDraft(round)
	d.block.Time ^= 1
	b, err := dag.Seal(w.committee, d.block, w.signers[a.self])
	if err != nil {
		w.invalid++
		return
	}
	raw := append([]byte(nil), b.Bytes()...)
	raw[a.random.IntN(len(raw))] ^= byte(1 + a.random.IntN(255))
	w.invalid++
	if w.scenario.Signing != SigningReal {
		return
	}
	if forged, err := dag.Verify(w.committee, raw); err == nil {
		w.check.failf("valid", a.self, "a changed byte passes Verify as %v", forged.Ref())
	}
}
