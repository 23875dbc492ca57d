package sim

import (
	"math/rand/v2"
	"time"
)

// startForget is the worst moment to lose a disk: nothing that a node says arrives any more, though it
// hears everybody and goes on, and then it comes back at once without a trace of what it said. The
// others, who still wait for it, can show it nothing; only the rule of two rounds above them keeps it
// from saying something else.
func startForget(w *world, f *Fault, random *rand.Rand) func() {
	heard := startOneway(w, f, random)
	return func() {
		heard()
		for _, n := range w.honest(f) {
			n.crash(time.Millisecond, n.disk.vanish)
		}
	}
}

// forgetFor is how long nothing of a node arrives before it forgets: some rounds, in which others
// still wait for it.
func forgetFor(amount int) time.Duration {
	return 5*time.Millisecond + time.Duration(amount)*200*time.Microsecond
}
