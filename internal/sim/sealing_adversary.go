package sim

import (
	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// sayAgain is after how many rounds an adversary repeats what the log does not show.
const sayAgain = 8

// sealer is an adversary's part in sealing. Unless a behaviour changes what it says, it keeps to the
// rules, so that there is a key at all: the key generation waits for everybody.
type sealer struct {
	world   *world
	self    dag.Author
	member  *keygen.Member
	tracker *reveal.Tracker
	keys    int
	said    map[crypto.Digest]dag.Round
	signer  *signer
}

// newSealer is an adversary's part; nil in a network without sealing.
func newSealer(w *world, self dag.Author) *sealer {
	if w.scenario.SealedEvery == 0 {
		return nil
	}
	return &sealer{
		world: w, self: self, member: keygen.NewMember(self, w.kem[self]), tracker: reveal.New(w.committee, self, 0),
		said: make(map[crypto.Digest]dag.Round), signer: newSigner(w, self),
	}
}

// system is what an honest validator would say, which knows all commits of anybody.
func (s *sealer) system(round dag.Round) []dag.SystemMessage {
	if s == nil {
		return nil
	}
	var out []dag.SystemMessage
	size := 0
	fits := func(m dag.SystemMessage) bool {
		const around = 8 // more than what stands around a message
		if size+around+len(m.Payload) > dag.MaxSystemBytes || len(out) == dag.MaxSystemMessages {
			return false
		}
		size += around + len(m.Payload)
		return true
	}
	reveals := s.world.check.reveals
	for _, m := range append(s.member.Messages(reveals.state), s.signer.messages()...) {
		id := crypto.Hash(crypto.DomainState, m.Payload)
		if at, said := s.said[id]; (!said || at+sayAgain < round) && fits(m) {
			s.said[id] = round
			out = append(out, m)
		}
	}
	for ; s.keys < len(reveals.keys); s.keys++ {
		s.addKey(reveals.keys[s.keys])
	}
	for _, c := range reveals.commits[s.tracker.Head():] {
		s.tracker.Commit(c)
	}
	for _, o := range s.tracker.Offers(maxOffer) {
		if m := (dag.SystemMessage{Kind: ordering.KindShare, Payload: o.Payload}); fits(m) {
			out = append(out, m)
		}
	}
	return out
}

func (s *sealer) addKey(k keygen.Key) {
	share, err := s.member.Share(s.world.check.reveals.state, k.ID)
	if err != nil {
		err = s.tracker.AddKey(k, nil) // another adversary dealt badly
	} else {
		err = s.tracker.AddKey(k, &share)
	}
	if err != nil {
		s.world.check.fail("key", err.Error(), s.self)
	}
}

// respoken changes the system messages of a kind in all drafts; change gives what stands in place of each.
func respoken(drafts []draft, kind dag.SystemKind, change func(dag.SystemMessage) []dag.SystemMessage) []draft {
	for i := range drafts {
		var out []dag.SystemMessage
		for _, m := range drafts[i].block.System {
			if m.Kind == kind {
				out = append(out, change(m)...)
			} else {
				out = append(out, m)
			}
		}
		drafts[i].block.System = out
	}
	return drafts
}

// flipped is a message with one bit changed.
func flipped(m dag.SystemMessage, at int) dag.SystemMessage {
	payload := append([]byte(nil), m.Payload...)
	payload[at] ^= 1
	return dag.SystemMessage{Kind: m.Kind, Payload: payload}
}
