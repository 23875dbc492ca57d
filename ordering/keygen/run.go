package keygen

import (
	"bytes"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/dag"
)

// run is one run, from its first deal to the key and its late acknowledgements.
type run struct {
	maths    *dkg.Run
	deals    []*dealt        // by author
	spent    dag.AuthorSet   // authors of whom a deal was checked, good or not
	closeAt  dag.CommitIndex // when dealing ends; 0 while there are too few deals
	closedAt dag.CommitIndex // when it ended; 0 before

	candidates dag.AuthorSet
	digest     crypto.Digest // of the candidates' deals
	acked      dag.AuthorSet
	flagged    dag.AuthorSet // authors of false complaints

	readyAt   dag.CommitIndex // 0 before
	qualified dag.AuthorSet
	public    *dkg.Public // once ready
}

// dealt is a deal with the commit that brought it in.
type dealt struct {
	*dkg.Deal
	at dag.CommitIndex
}

const domainCandidates crypto.Domain = "dunlin/keygen-candidates/1"

func (s *State) newRun(key uint64, attempt uint32) (*run, error) {
	c := s.committee
	members := make([]crypto.KEMPublicKey, c.Size())
	for a := range members {
		members[a] = c.Validator(dag.Author(a)).KEM
	}
	maths, err := dkg.NewRun(dkg.Context{Group: s.purpose.Group, Network: c.Network(), Key: key, Attempt: attempt}, members)
	if err != nil {
		return nil, err
	}
	return &run{maths: maths, deals: make([]*dealt, len(members))}, nil
}

func (r *run) phase() Phase {
	switch {
	case r.readyAt != 0:
		return Ready
	case r.closedAt != 0:
		return Acknowledging
	}
	return Dealing
}

// matches reports whether a names this run.
func (r *run) matches(a *ack) bool {
	c := r.maths.Context()
	return c.Key == a.key && c.Attempt == a.attempt
}

// deal takes in the payload of an author that may deal and has not.
func (r *run) deal(at dag.CommitIndex, author dag.Author, payload []byte) error {
	if err := r.maths.CheckForm(payload); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	r.spent.Add(author)
	d, err := r.maths.CheckDeal(int(author), bytes.Clone(payload))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBadDeal, err)
	}
	for _, other := range r.deals {
		if other != nil && other.SameEphemeral(d) {
			return fmt.Errorf("%w: ephemeral key of dealer %d again", ErrBadDeal, other.Dealer())
		}
	}
	r.deals[author] = &dealt{d, at}
	return nil
}

// dealers is the authors of good deals.
func (r *run) dealers() (set dag.AuthorSet) {
	for a, d := range r.deals {
		if d != nil {
			set.Add(dag.Author(a))
		}
	}
	return set
}

// keep drops the deals of all others.
func (r *run) keep(set dag.AuthorSet) {
	for a := range r.deals {
		if !set.Has(dag.Author(a)) {
			r.deals[a] = nil
		}
	}
}

// held is the deals of the authors in set, by author.
func (r *run) held(set dag.AuthorSet) []*dkg.Deal {
	var out []*dkg.Deal
	for a, d := range r.deals {
		if d != nil && set.Has(dag.Author(a)) {
			out = append(out, d.Deal)
		}
	}
	return out
}

// closeDealing fixes the candidates.
func (r *run) closeDealing(at dag.CommitIndex, candidates dag.AuthorSet) {
	r.closedAt, r.candidates = at, candidates
	r.keep(candidates)
	r.digest = r.candidatesDigest()
}

// candidatesDigest is what acknowledgements name: every candidate's deal, in the order of the
// committee. Deal digests cover run and dealer.
func (r *run) candidatesDigest() crypto.Digest {
	var parts [][]byte
	for _, d := range r.held(r.candidates) {
		digest := d.Digest()
		parts = append(parts, digest[:])
	}
	return crypto.Hash(domainCandidates, parts...)
}

// finish makes the key of the qualified dealers.
func (r *run) finish(at dag.CommitIndex, qualified dag.AuthorSet) error {
	public, err := r.maths.Combine(r.held(qualified))
	if err != nil {
		return err
	}
	r.readyAt, r.qualified, r.public = at, qualified, public
	r.keep(qualified)
	return nil
}
