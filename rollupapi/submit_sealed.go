package rollupapi

import (
	"context"
	"fmt"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/reveal"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// submitSealed admits ciphertexts and sends them on their way. It answers per item. The error is a
// Refusal of the whole call, or the node's own trouble.
func (s *Server) submitSealed(ctx context.Context, items []dag.Sealed, w waitFor) ([]result, error) {
	switch {
	case len(items) == 0:
		return nil, refuse(ReasonPayloadEmpty, "no item: give at least one ciphertext").at("items")
	case len(items) > maxSubmitSealed:
		return nil, over(ReasonTooManyItems, maxSubmitSealed, "%d ciphertexts, limit %d in one call", len(items), maxSubmitSealed).at("items")
	}
	total := 0
	for i := range items {
		total += len(items[i].Ciphertext)
	}
	if total > maxSubmitBytes && len(items) > 1 {
		return nil, over(ReasonTooLarge, maxSubmitBytes, "ciphertexts of %d bytes, limit %d in one call", total, maxSubmitBytes).at("items")
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	admitted, err := s.admission.Sealed(ctx, s.backend.History.Heads().Committed, items)
	if err != nil {
		return nil, busyUnlessTold(ctx, err)
	}
	return s.submitAdmitted(ctx, admitted, w)
}

// busyUnlessTold is busyUnlessRefusal, but leaves the node's own trouble as it is.
func busyUnlessTold(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return busyUnlessRefusal(err)
}

// reveal brings a result of a sealed item up to date: from COMMITTED on to what its opening came to, if
// that is known. Of a pruned commit it is not.
func (s *Server) reveal(r *result) error {
	if r.state != pb.State_STATE_COMMITTED || r.at.Commit > s.backend.History.Heads().Revealed {
		return nil
	}
	record, ok, err := s.backend.Reveals.Reveal(r.at.Commit)
	if err != nil {
		return fmt.Errorf("read reveal of commit %d: %w", r.at.Commit, err)
	}
	if !ok {
		return nil
	}
	if outcome, ok := record.Find(r.at.Index); ok {
		r.state, r.refused = verdictState(outcome.Verdict)
	}
	return nil
}

// verdictState is a verdict as a state, with the reason where it is a failure.
func verdictState(v reveal.Verdict) (pb.State, *Refusal) {
	failed := pb.State_STATE_REVEAL_FAILED
	switch v {
	case reveal.Opened:
		return pb.State_STATE_REVEALED, nil
	case reveal.CiphertextInvalid:
		return failed, refuse(ReasonCiphertextInvalid, "the proof of the ciphertext or the signature of its sender does not hold: it was changed, or made for another envelope")
	case reveal.KeyStale:
		return failed, refuse(ReasonEpochKeyStale, "the key was replaced before the item was committed: get the encryption key again, seal and submit anew")
	case reveal.DecryptFailed:
		return failed, refuse(ReasonDecryptFailed, "enough verified shares open the ciphertext to nothing: whoever sealed it made it so")
	}
	return failed, refuse(ReasonContentInvalid, "the content is no list of legs, or has legs of other namespaces than the envelope names")
}

// awaitReveal waits until every sealed item that is committed is revealed or ctx ends, and brings results
// up to date. Sealed says of each place whether the item is.
func (s *Server) awaitReveal(ctx context.Context, admitted []Admitted, results []result) error {
	newest := dag.CommitIndex(0)
	for i := range results {
		if admitted[i].Item.Kind == dag.KindSealed && results[i].state == pb.State_STATE_COMMITTED {
			newest = max(newest, results[i].at.Commit)
		}
	}
	if newest > 0 {
		if _, err := s.backend.Reveals.WaitRevealed(ctx, newest-1); err != nil && ctx.Err() == nil {
			return fmt.Errorf("wait for the reveal of commit %d: %w", newest, err)
		}
	}
	return s.revealAll(admitted, results)
}

// revealAll is reveal for those of results whose items are sealed.
func (s *Server) revealAll(admitted []Admitted, results []result) error {
	for i := range results {
		if admitted[i].Item.Kind != dag.KindSealed {
			continue
		}
		if err := s.reveal(&results[i]); err != nil {
			return err
		}
	}
	return nil
}

// oldestReveal says what the first commit that is not revealed waits for; nil if it does not wait.
func (s *Server) oldestReveal(revealed dag.CommitIndex) *pb.RevealProgress {
	return s.revealProgress(revealed + 1)
}

// revealProgress says what the opening of a commit waits for; nil if it does not wait.
func (s *Server) revealProgress(index dag.CommitIndex) *pb.RevealProgress {
	have, need, missing, ok := s.backend.Reveals.RevealProgress(index)
	if !ok {
		return nil
	}
	p := &pb.RevealProgress{Text: fmt.Sprintf("%d of %d shares", have, need), Shares: uint32(have), Needed: uint32(need)}
	for i, author := range missing {
		name := s.backend.Committee.Validator(author).Name
		if i == 0 {
			p.Text += ", missing " + name
		} else {
			p.Text += " " + name
		}
		p.Missing = append(p.Missing, name)
	}
	return p
}
