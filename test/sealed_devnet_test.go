package test

import "testing"

// `dunlin devnet --sealed` waits for the network's key, seals its share of the load, and counts what came of it.
func TestSealedDevnet(t *testing.T) {
	t.Parallel()
	for share, within := range map[string]func(sealed, acknowledged uint64) bool{
		"0":   func(sealed, _ uint64) bool { return sealed == 0 },
		"0.5": func(sealed, acknowledged uint64) bool { return sealed > acknowledged/4 && sealed < acknowledged*3/4 },
		"1":   func(sealed, acknowledged uint64) bool { return sealed == acknowledged },
	} {
		t.Run(share, func(t *testing.T) {
			r := startDevnet(t, program(t), "--rate", "100", "--for", "4s", "--sealed", share).result(0)
			if r.Acknowledged == 0 || !within(r.Sealed, r.Acknowledged) {
				t.Errorf("%d of %d are sealed", r.Sealed, r.Acknowledged)
			}
			if r.Revealed != r.Sealed || r.RevealFailed != 0 || r.Unrevealed != 0 || r.RevealFault != "" {
				t.Errorf("of %d sealed: %d revealed, %d failed, %d waiting, fault %q", r.Sealed, r.Revealed, r.RevealFailed, r.Unrevealed, r.RevealFault)
			}
			if (r.Reveal.Samples > 0) != (r.Sealed > 0) || r.Reveal.P99 < r.Reveal.P50 {
				t.Errorf("from commit to reveal %+v", r.Reveal)
			}
		})
	}
}
