package keygen

import (
	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// Key is a key that is ready. Its slices must not be changed.
type Key struct {
	ID        uint64
	Attempt   uint32       // the run that made it
	Threshold int          // 2f+1: so many shares open a ciphertext or sign
	Public    []byte       // an element of the purpose's group
	Shares    [][]byte     // Y_k, which verifies the shares of author k
	Dealers   []dag.Author // who qualified

	// The key serves in the commits From to Until, both included: what is sealed with it is good in them, and
	// it signs their certificates. An Until of 0 is the key that serves now.
	From, Until dag.CommitIndex
}

// Origin is one of the deals that a key is made of: its proof of origin in the log.
type Origin struct {
	Dealer dag.Author
	Commit dag.CommitIndex // the commit that brought it in
	Digest crypto.Digest
	Deal   []byte
}

// Keys is all keys that are ready, oldest first; the last one serves. There are at most f+1.
func (s *State) Keys() []Key {
	var out []Key
	for i := range s.keys {
		out = append(out, s.key(i))
	}
	return out
}

// Serving is the key that serves now; false before there is one.
func (s *State) Serving() (Key, bool) {
	if len(s.keys) == 0 {
		return Key{}, false
	}
	return s.key(len(s.keys) - 1), true
}

func (s *State) key(i int) Key {
	r := s.keys[i]
	c := r.maths.Context()
	k := Key{
		ID: c.Key, Attempt: c.Attempt, Threshold: r.maths.Threshold(), Public: r.public.Key, Shares: r.public.Shares,
		Dealers: s.authors(r.qualified), From: r.readyAt + 1,
	}
	if i+1 < len(s.keys) {
		k.Until = s.keys[i+1].readyAt
	}
	return k
}

// Advice is what to do about a run that does not come to its end by itself; empty where nothing is to be done.
func (s *Status) Advice() string {
	switch {
	case s.Stuck:
		return "too few honest dealers are left for a key: halt, and found the network anew without the excluded, as docs/disaster.md says"
	case len(s.Missing) > 0 && (s.Attempt > 0 || s.Deadline == 0):
		return "the missing must run and be connected to the others: dunlin status at each, then its log"
	}
	return ""
}

// allBut is everybody who is neither in set nor excluded.
func (s *State) allBut(set dag.AuthorSet) []dag.Author {
	var out []dag.Author
	for a := range dag.Author(s.committee.Size()) {
		if !set.Has(a) && !s.excluded.Has(a) {
			out = append(out, a)
		}
	}
	return out
}

func (s *State) authors(set dag.AuthorSet) []dag.Author {
	var out []dag.Author
	for a := range dag.Author(s.committee.Size()) {
		if set.Has(a) {
			out = append(out, a)
		}
	}
	return out
}

// find is the ready run of a key, nil for none.
func (s *State) find(id uint64) *run {
	for _, r := range s.keys {
		if r.maths.Context().Key == id {
			return r
		}
	}
	return nil
}

// Origins is the deals that a ready key is made of, by dealer; nil for an unknown key.
func (s *State) Origins(id uint64) []Origin {
	r := s.find(id)
	if r == nil {
		return nil
	}
	var out []Origin
	for a, d := range r.deals {
		if d != nil {
			out = append(out, Origin{Dealer: dag.Author(a), Commit: d.at, Digest: d.Digest(), Deal: d.Bytes()})
		}
	}
	return out
}

// Status is where the key generation stands, for people and the API.
type Status struct {
	Phase    Phase
	Key      uint64 // of the run, or the key that serves
	Attempt  uint32
	Deals    int // good ones
	Acks     int
	Missing  []dag.Author    // whose good deal, or acknowledgement, is awaited; none who is excluded
	Deadline dag.CommitIndex // when the window closes at the latest; 0 where none runs
	Excluded []dag.Author    // proven to cheat
	Flagged  []dag.Author    // made false complaints in this run
	Stuck    bool            // so many are excluded that no quorum of dealers is left: there will be no further key
	Serving  uint64          // the key that serves; 0 for none yet
}

// Status describes the present run, or the serving key's where none is going on.
func (s *State) Status() Status {
	r := s.current
	if r == nil {
		r = s.serving()
	}
	c := r.maths.Context()
	out := Status{
		Phase: r.phase(), Key: c.Key, Attempt: c.Attempt, Deals: size(r.dealers()), Acks: r.acked.Len(),
		Excluded: s.authors(s.excluded), Flagged: s.authors(r.flagged),
	}
	out.Stuck = s.current != nil && s.committee.Size()-len(out.Excluded) < s.committee.Quorum()
	switch out.Phase {
	case Dealing:
		out.Deadline, out.Missing = r.closeAt, s.allBut(r.dealers())
	case Acknowledging:
		out.Deadline, out.Missing = r.closedAt+AckWindow, s.allBut(r.acked)
	}
	if key, ok := s.Serving(); ok {
		out.Serving = key.ID
	}
	return out
}
