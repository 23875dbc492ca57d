package certificate

import (
	"slices"

	"github.com/dunlin-network/dunlin/crypto/certify"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/mutant"
)

// maxTogether is how many certificates are verified at once.
const maxTogether = 32

// attempt is a combined signature that is not verified yet.
type attempt struct {
	checkpoint  *checkpoint
	certificate *Certificate
}

// Work combines what the signatures so far allow, verifies it, and names who sent wrong ones.
func (t *Tracker) Work() {
	for {
		ready := t.combine()
		if len(ready) == 0 {
			return
		}
		for len(ready) > 0 {
			together := ready[:min(maxTogether, t.sameKey(ready))]
			t.verify(together)
			ready = ready[len(together):]
		}
	}
}

// combine gives an attempt for every checkpoint with enough signatures.
func (t *Tracker) combine() []attempt {
	var out []attempt
	for _, p := range t.open {
		for len(p.said) >= p.key.Threshold {
			c := p.certificate()
			var err error
			if c.Signature, err = p.key.public.Combine(p.partials()); err == nil {
				out = append(out, attempt{p, c})
				break
			}
			t.blame(p) // one is no element of the group
		}
	}
	return out
}

func (p *checkpoint) partials() []certify.Partial {
	out := make([]certify.Partial, len(p.said))
	for i, s := range p.said {
		out[i] = certify.Partial{Member: int(s.block.Author), Signature: s.signature}
	}
	return out
}

// sameKey is how many attempts from the first on are of one key.
func (t *Tracker) sameKey(ready []attempt) int {
	n := slices.IndexFunc(ready, func(a attempt) bool { return a.certificate.Key != ready[0].certificate.Key })
	if n < 0 {
		return len(ready)
	}
	return n
}

// verify takes over what holds, and drops the wrong signatures of what does not.
func (t *Tracker) verify(together []attempt) {
	signed := make([]certify.Signed, len(together))
	for i, a := range together {
		signed[i] = certify.Signed{Message: a.checkpoint.message(t.committee), Signature: a.certificate.Signature}
	}
	wrong, err := together[0].checkpoint.key.public.Public().VerifyAll(signed)
	if err != nil {
		panic("certificate: the key was read before: " + err.Error())
	}
	if mutant.Planted(mutant.CertificateUnverified) {
		wrong = nil
	}
	for i, a := range together {
		if slices.Contains(wrong, i) {
			t.blame(a.checkpoint)
		} else {
			t.certify(a.certificate)
		}
	}
}

// blame drops the wrong signatures of a checkpoint, notes whose they are, and passes over those from there on for a time.
func (t *Tracker) blame(p *checkpoint) {
	for _, i := range p.key.public.Wrong(p.message(t.committee), p.partials()) {
		s := p.said[i]
		t.faults = append(t.faults, Fault{Block: s.block, Commit: p.ref, Signature: s.signature})
		t.trusted[s.block.Author] = p.ref.Index + passOver
	}
	for _, open := range t.open {
		open.said = slices.DeleteFunc(open.said, func(s said) bool {
			return open.ref.Index >= p.ref.Index && open.ref.Index <= t.trusted[s.block.Author]
		})
	}
}

// certify takes over a certificate, which ends its checkpoint and all before it.
func (t *Tracker) certify(c *Certificate) {
	t.done = append(t.done, c)
	t.certified = max(t.certified, c.Commit.Index)
	t.open = slices.DeleteFunc(t.open, func(p *checkpoint) bool { return p.ref.Index == c.Commit.Index })
	t.closeBefore(c.Commit.Index)
}

// closeBefore gives up on checkpoints that have too few signatures while a later one is certified long since.
func (t *Tracker) closeBefore(i dag.CommitIndex) {
	t.open = slices.DeleteFunc(t.open, func(p *checkpoint) bool { return p.ref.Index+keepOpen < i })
}

// keepOpen is for how many commits a checkpoint may still be certified after a later one was.
const keepOpen = 64
