package ordering

import (
	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// The engine's part of the registry: controls that a commit accepts are applied at its end, in their
// order, and change what the next commit's filters let pass.

// maxControlChecks is how many signatures of controls are looked at per block: a faulty validator could
// fill its blocks with them, at 0.06 ms each.
const maxControlChecks = 4 * dag.MaxControlSignatures

// Controlled is what an accepted control came to.
type Controlled struct {
	Accepted uint32 // index into the commit's Accepted
	Result   dag.ControlResult
}

const controlledSize = 4 + 1

// registrar is the registry as a carried state.
type registrar struct {
	network  crypto.Digest
	registry *dag.Registry
	ordered  []uint32 // controls that the present commit has accepted

	digested *dag.Registry // the registry that digest is of
	digest   crypto.Digest
}

// Digest is the present registry's: of one commit's changes the last one's alone is computed.
func (r *registrar) Digest() crypto.Digest {
	if r.digested != r.registry {
		r.digested, r.digest = r.registry, r.registry.Digest()
	}
	return r.digest
}

// Encode is the present registry.
func (r *registrar) Encode() []byte { return r.registry.Encode() }

// Registry is the registry as of the newest commit. It is immutable.
func (e *Engine) Registry() *dag.Registry { return e.registrar.registry }

// closeRegistry applies the controls that a commit has accepted.
func (e *Engine) closeRegistry(c *Commit) {
	r := e.registrar
	left, block := 0, uint32(len(c.Blocks))
	for _, at := range r.ordered {
		a := &c.Accepted[at]
		if a.Block != block {
			left, block = maxControlChecks, a.Block
		}
		item := &c.Bodies[a.Block].Block().Items[a.Item]
		result := e.control(item, c.Index, &left)
		c.Controls = append(c.Controls, Controlled{Accepted: at, Result: result})
	}
	r.ordered = r.ordered[:0]
}

// control applies one control, unless its block has had more than its signatures looked at.
func (e *Engine) control(item *dag.Item, i dag.CommitIndex, left *int) dag.ControlResult {
	r, tx := e.registrar, item.Transaction()
	control, err := dag.DecodeControl(tx.Payload)
	if err != nil {
		return dag.ControlMalformed
	}
	if result := r.registry.Examine(control, i); result != dag.Applied {
		return result
	}
	if *left -= len(control.Signatures); *left < 0 {
		return dag.ControlCrowded
	}
	next, result := r.registry.Apply(r.network, control, i)
	if result == dag.Applied {
		r.registry = next
		e.ruleChanged(control.Rule.ID)
	}
	return result
}

// ruleChanged tells the pool, and turns away what waits for a namespace that is closed now.
func (e *Engine) ruleChanged(ns dag.Namespace) {
	p := e.pool
	p.rules = e.registrar.registry
	l := p.lanes[ns]
	if l == nil {
		return
	}
	l.follow(p.rules)
	if rule, _ := p.rules.Rule(ns); rule.Closed {
		for _, next := range append(p.plain.remove(&l.plain), p.sealed.remove(&l.sealed)...) {
			p.uncount(next)
			e.answer(next, NamespaceClosed, 0, dag.Ref{})
		}
	}
	p.tidy(l)
}
