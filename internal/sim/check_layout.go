package sim

import (
	"slices"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// layout is what a commit with sealed items must come to, as the design says it and without package reveal.
type layout struct {
	ref     dag.CommitRef
	key     uint64
	sealing *seal.Key // nil where none served
	items   []expected
	batches []crypto.Digest
}

// expected is one sealed item. Its verdict is 0 where the content decides.
type expected struct {
	index   uint32
	id      crypto.Digest
	sealed  dag.Sealed
	verdict reveal.Verdict
}

// lay notes what a commit must come to, if it holds anything sealed.
func (r *reveals) lay(c *ordering.Commit) {
	l := &layout{ref: c.Ref()}
	for i, k := range r.keys {
		if k.From <= c.Index {
			l.key, l.sealing = k.ID, r.sealing[i]
		}
	}
	var valid []*seal.Ciphertext
	for i := range c.Accepted {
		a := &c.Accepted[i]
		item := &c.Bodies[a.Block].Block().Items[a.Item]
		if item.Kind != dag.KindSealed {
			continue
		}
		e := expected{index: uint32(i), id: a.ID, sealed: item.Sealed(), verdict: reveal.KeyStale}
		if id, err := seal.KeyID(e.sealed.Ciphertext); err != nil {
			e.verdict = reveal.CiphertextInvalid
		} else if l.sealing != nil && id == l.key {
			ciphertext, err := reveal.Verify(l.sealing, &e.sealed)
			if e.verdict = 0; err != nil {
				e.verdict = reveal.CiphertextInvalid
			} else {
				valid = append(valid, ciphertext)
			}
		}
		l.items = append(l.items, e)
	}
	for part := 0; len(valid) > 0; part++ {
		n := min(reveal.MaxPart, len(valid))
		name := crypto.Hash(crypto.DomainSealPart, l.ref.Digest[:], []byte{byte(part >> 8), byte(part)})
		batch, err := seal.NewBatch(l.sealing, name, valid[:n])
		if err != nil {
			panic("sim: batch of verified ciphertexts: " + err.Error())
		}
		l.batches, valid = append(l.batches, batch.ID()), valid[n:]
	}
	if len(l.items) > 0 {
		r.layouts[c.Index] = l
	}
}

// has reports whether a share message names one of the batches, the one of its part.
func (l *layout) has(payload []byte) bool {
	const idAt = shareAt + 1 + 8 + 2 // behind version, key and index
	part := int(payload[8])<<8 | int(payload[9])
	return part < len(l.batches) && len(payload) >= idAt+crypto.DigestSize && crypto.Digest(payload[idAt:idAt+crypto.DigestSize]) == l.batches[part]
}

// judge holds the first record of a commit against what it must come to: what honest clients sealed is opened
// and is what they sealed, all others come to what anybody can see of them.
func (r *reveals) judge(node dag.Author, l *layout, record *reveal.Record) {
	if len(record.Outcomes) != len(l.items) {
		r.check.failf("reveal", node, "commit %d has %d sealed items, %d are revealed", l.ref.Index, len(l.items), len(record.Outcomes))
		return
	}
	for i := range l.items {
		e, o := &l.items[i], &record.Outcomes[i]
		wrong := func(what string) {
			r.check.failf("reveal", node, "item %d of commit %d is %v: %s", e.index, l.ref.Index, o.Verdict, what)
		}
		legs, honest := r.contents[e.id]
		switch {
		case o.Index != e.index:
			wrong(sprintf("it stands in place of item %d", o.Index))
		case e.verdict != 0 && o.Verdict != e.verdict:
			wrong("everybody can see that it is " + e.verdict.String())
		case e.verdict != 0:
		case o.Verdict == reveal.Opened || o.Verdict == reveal.ContentInvalid:
			got, err := reveal.Open(l.sealing, &e.sealed, o.Opening)
			switch same := slices.EqualFunc(got, legs, sameLeg); {
			case (o.Verdict == reveal.Opened) != (err == nil):
				wrong(sprintf("opening it again gives %v", err))
			case honest && !same:
				wrong("it is not what was sealed")
			}
			r.opened++
		case honest:
			wrong("it was sealed well")
		}
	}
}

func sameLeg(a, b dag.Leg) bool {
	return a.Namespace == b.Namespace && string(a.Payload) == string(b.Payload)
}
