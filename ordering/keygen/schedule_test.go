package keygen

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/dunlin-network/dunlin/dag"
)

// Any schedule, any f cheats: nodes that read the log in one go, with restarts at any commit, or with the
// messages' errors looked at or not, have one state; no honest validator is flagged or excluded; a key that
// an honest validator acknowledged without a complaint gives it a share.
func TestAnySchedule(t *testing.T) {
	worlds := map[int]*world{4: newWorld(t, 4), 7: newWorld(t, 7)}
	keys := make(map[int]int)
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.SampledFrom([]int{4, 7}).Draw(rt, "n")
		c := &chaos{T: rt, world: *worlds[n], cheats: n - (n-1)/3}
		c.t = t
		c.members = nil
		for a := range n {
			c.members = append(c.members, NewMember(dag.Author(a), c.secrets[a]))
		}
		c.state, c.at, c.log = c.fresh(), 0, nil
		other := c.fresh()
		for range rapid.IntRange(5, 40).Draw(rt, "commits") {
			entries := c.entries()
			c.commit(entries...)
			applied(other, c.at, entries)
			if rapid.IntRange(0, 3).Draw(rt, "restart") == 0 {
				other = reopened(t, &c.world, other)
			}
			if other.Digest() != c.state.Digest() {
				rt.Fatalf("commit %d: digests differ", c.at)
			}
			if rapid.IntRange(0, 6).Draw(rt, "pass") == 0 {
				c.pass(other)
			}
			c.check()
		}
		keys[len(c.state.keys)]++
		if c.replay().Digest() != c.state.Digest() {
			rt.Fatal("who reads the log later has another state")
		}
	})
	t.Logf("runs by number of keys: %s", fmt.Sprint(keys))
}

// chaos draws what is committed. The authors from cheats on are not honest.
type chaos struct {
	*rapid.T
	world
	cheats int
}

// entries is a random part of what the honest say, in a random order, and whatever the others like.
func (c *chaos) entries() []entry {
	var out []entry
	for a := range dag.Author(len(c.members)) {
		honest := int(a) < c.cheats
		if honest && rapid.Bool().Draw(c.T, "held up") {
			continue
		}
		for _, m := range c.members[a].Messages(c.state) {
			if honest {
				out = append(out, entry{a, m})
				continue
			}
			out = append(out, entry{a, c.twist(a, m)})
		}
	}
	if len(out) > 1 {
		out = rapid.Permutation(out).Draw(c.T, "order")
	}
	return out
}

// twist is what a cheat makes of its message.
func (c *chaos) twist(a dag.Author, m dag.SystemMessage) dag.SystemMessage {
	out := dag.SystemMessage{Kind: m.Kind, Payload: slices.Clone(m.Payload)}
	switch rapid.IntRange(0, 5).Draw(c.T, "twist") {
	case 0:
		return out
	case 1:
		at := rapid.IntRange(0, len(out.Payload)-1).Draw(c.T, "at")
		out.Payload[at] ^= 1
	case 2:
		out.Payload = out.Payload[:rapid.IntRange(0, len(out.Payload)).Draw(c.T, "length")]
	case 3:
		out.Kind ^= KindDeal ^ KindAck
	default:
		if m.Kind == KindDeal {
			out.Payload = c.spoilt(out.Payload, dag.Author(rapid.IntRange(0, c.cheats-1).Draw(c.T, "victim")))
		} else {
			out.Payload = c.lie(a, m.Payload)
		}
	}
	return out
}

// lie is an acknowledgement with a complaint about a candidate whose share was good.
func (c *chaos) lie(a dag.Author, payload []byte) []byte {
	said, err := decodeAck(payload, len(c.members))
	if err != nil {
		c.Fatal(err)
	}
	r := c.state.acknowledged(said)
	for _, d := range r.held(r.candidates) {
		if rapid.Bool().Draw(c.T, "about") {
			said.complaints = []complaint{{dag.Author(d.Dealer()), r.maths.Complain(d, int(a), c.secrets[a])}}
		}
	}
	return said.encode()
}

// pass lets a window's worth of empty commits go by.
func (c *chaos) pass(other *State) {
	for range AckWindow {
		c.commit()
		other.Close(c.at)
	}
}

func (c *chaos) check() {
	s := c.state.Status()
	for a := range dag.Author(c.cheats) {
		for _, r := range c.state.runs() {
			if r.flagged.Has(a) || slices.Contains(s.Excluded, a) {
				c.Fatalf("commit %d: honest %v is flagged or excluded: %+v", c.at, a, s)
			}
		}
		if r := c.state.serving(); r != nil && c.state.current == nil && r.acked.Has(a) {
			if _, err := c.members[a].Share(c.state, r.maths.Context().Key); err != nil {
				c.Fatalf("commit %d: honest %v has no share: %v", c.at, a, err)
			}
		}
	}
	if len(c.state.keys) > c.committee.Validity() {
		c.Fatalf("%d keys", len(c.state.keys))
	}
}
