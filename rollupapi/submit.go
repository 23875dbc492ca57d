package rollupapi

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// result is what became of one submitted item, so far.
type result struct {
	id      crypto.Digest
	state   pb.State
	at      Location // COMMITTED, REVEALED and REVEAL_FAILED
	refused *Refusal // REJECTED, EXPIRED and REVEAL_FAILED
}

// waitFor says how far items must have come before a call answers, and for how long it waits.
type waitFor struct {
	state   pb.Wait
	timeout time.Duration
}

func newWait(state pb.Wait, timeoutMS uint32) (waitFor, error) {
	w := waitFor{state: state, timeout: time.Duration(timeoutMS) * time.Millisecond}
	switch {
	case state == pb.Wait_WAIT_RECEIVED:
	case state < pb.Wait_WAIT_UNSPECIFIED || state > pb.Wait_WAIT_CERTIFIED:
		return w, refuse(ReasonRequestMalformed, "wait %d is none of NONE, RECEIVED, INCLUDED, COMMITTED, REVEALED, CERTIFIED", state).at("wait")
	case state == pb.Wait_WAIT_UNSPECIFIED:
		w.state = pb.Wait_WAIT_INCLUDED
	}
	if timeoutMS == 0 {
		w.timeout = defaultWait
	}
	w.timeout = min(w.timeout, longestWait)
	return w, nil
}

// receipt reports whether the answer carries a signed receipt.
func (w waitFor) receipt() bool { return w.state != pb.Wait_WAIT_NONE }

// included reports whether the answer waits for the items to be in a block.
func (w waitFor) included() bool {
	return w.state != pb.Wait_WAIT_NONE && w.state != pb.Wait_WAIT_RECEIVED
}

// committed reports whether the answer waits for the items' places in the order.
func (w waitFor) committed() bool { return w.included() && w.state >= pb.Wait_WAIT_COMMITTED }

// call is one submission on its way through the sequencer.
type call struct {
	items    []dag.Item
	bytes    int64
	outcomes []ordering.Outcome // set when done is closed; nil if the sequencer did not answer
	done     chan struct{}
}

// submitTransactions admits the transactions of a submission and sends them on their way. It
// answers per payload. The error is a Refusal of the whole call, or the node's own trouble.
func (s *Server) submitTransactions(ctx context.Context, sub *Submission, limit int, w waitFor) ([]result, error) {
	if len(sub.Payloads) > limit {
		return nil, over(ReasonTooManyItems, limit, "%d transactions, limit %d in one call", len(sub.Payloads), limit).at("payloads")
	}
	total := 0
	for _, p := range sub.Payloads {
		total += len(p)
	}
	if total > maxSubmitBytes && len(sub.Payloads) > 1 {
		return nil, over(ReasonTooLarge, maxSubmitBytes, "payloads of %d bytes, limit %d in one call", total, maxSubmitBytes).at("payloads")
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	admitted, err := s.admission.Transactions(ctx, s.backend.History.Heads().Committed, sub)
	if err != nil {
		return nil, busyUnlessRefusal(err)
	}
	return s.submitAdmitted(ctx, admitted, w)
}

// submitBundle admits a bundle and sends it on its way. The error is as submitTransactions's.
func (s *Server) submitBundle(ctx context.Context, b *dag.Bundle, w waitFor) ([]result, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	item, err := s.admission.Bundle(ctx, s.backend.History.Heads().Committed, b)
	if err != nil {
		return nil, busyUnlessRefusal(err)
	}
	return s.submitAdmitted(ctx, []Admitted{{Item: item}}, w)
}

// busyUnlessRefusal: admission fails otherwise only when time is up before a slot was free.
func busyUnlessRefusal(err error) error {
	if isRefusal(err) {
		return err
	}
	return refuse(ReasonBusy, "no time left to check the signatures: the node is busy")
}

// submitAdmitted sends on what was admitted, and waits as far as ctx and w say.
func (s *Server) submitAdmitted(ctx context.Context, admitted []Admitted, w waitFor) ([]result, error) {
	results := make([]result, len(admitted))
	places, err := s.fresh(admitted, results)
	if err != nil {
		return nil, err
	}
	if len(places) > 0 {
		if err := s.send(ctx, admitted, results, places, w); err != nil {
			return nil, err
		}
	}
	switch w.state {
	case pb.Wait_WAIT_REVEALED:
		return results, s.awaitReveal(ctx, admitted, results)
	case pb.Wait_WAIT_CERTIFIED:
		if err := s.awaitReveal(ctx, admitted, results); err != nil {
			return nil, err
		}
		return results, s.awaitCertificate(ctx, results)
	}
	return results, s.revealAll(admitted, results)
}

// send sends on the items at places, and waits as far as ctx and w say, at most until they are committed.
func (s *Server) send(ctx context.Context, admitted []Admitted, results []result, places []int, w waitFor) error {
	c := &call{items: make([]dag.Item, len(places)), done: make(chan struct{})}
	for i, place := range places {
		c.items[i] = admitted[place].Item
		c.bytes += int64(len(c.items[i].Raw))
	}
	if err := s.begin(c); err != nil {
		return err
	}
	if !w.included() {
		return nil
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		return nil // RECEIVED, which is all that is known
	}
	if c.outcomes == nil {
		return nil
	}
	for i, place := range places {
		if err := s.applyOutcome(&results[place], &c.outcomes[i]); err != nil {
			return err
		}
	}
	if w.committed() {
		return s.awaitCommit(ctx, results)
	}
	return nil
}

// fresh fills in the results of all that need not be sent on, and lists the places of the rest,
// whose results say RECEIVED.
func (s *Server) fresh(admitted []Admitted, results []result) ([]int, error) {
	places := make([]int, 0, len(admitted))
	seen := make(map[crypto.Digest]struct{}, len(admitted))
	for i := range admitted {
		r, id := &results[i], admitted[i].Item.ID
		r.id = id
		if r.refused = admitted[i].Refused; r.refused != nil {
			r.state = pb.State_STATE_REJECTED
			continue
		}
		if _, twice := seen[id]; twice {
			r.state = pb.State_STATE_DUPLICATE
			continue
		}
		seen[id] = struct{}{}
		at, committed, err := s.backend.History.LookupRecent(id)
		if err != nil {
			return nil, fmt.Errorf("look up %s: %w", id, err)
		}
		if committed {
			r.state, r.at = pb.State_STATE_COMMITTED, at
			continue
		}
		r.state = pb.State_STATE_RECEIVED
		places = append(places, i)
	}
	return places, nil
}

// join takes part in the server's running until the caller calls running.Done, unless the server stops.
func (s *Server) join() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.running.Add(1)
	return true
}

// begin takes a call on, unless too many are under way. It goes on if its client leaves.
func (s *Server) begin(c *call) error {
	s.mu.Lock()
	if s.stopping || s.callCount >= maxCalls || s.callBytes+c.bytes > maxCallBytes {
		s.mu.Unlock()
		return over(ReasonBusy, maxCalls, "more than %d calls or %d bytes under way", maxCalls, maxCallBytes)
	}
	s.callCount++
	s.callBytes += c.bytes
	s.running.Add(1)
	s.mu.Unlock()
	s.tracker.receive(c.items, time.Now())
	go s.sequence(c)
	return nil
}

// sequence runs a call through the sequencer.
func (s *Server) sequence(c *call) {
	defer s.running.Done()
	defer func() {
		s.mu.Lock()
		s.callCount--
		s.callBytes -= c.bytes
		s.mu.Unlock()
	}()
	defer close(c.done)
	ctx, cancel := context.WithTimeout(s.life, sequenceTimeout)
	defer cancel()
	outcomes, err := s.backend.Sequencer.Submit(ctx, c.items)
	switch {
	case err == nil && len(outcomes) == len(c.items):
		s.tracker.outcomes(c.items, outcomes, s.backend.History.Heads().Committed, time.Now())
		c.outcomes = outcomes
	case s.life.Err() != nil:
	default:
		s.log.Warn("submit_unanswered", slog.Int("items", len(c.items)), slog.Int("outcomes", len(outcomes)), slog.Any("err", err),
			slog.String("next", "see whether the node proposes: GET /v1/status"))
	}
}

// applyOutcome turns the sequencer's answer into a result.
func (s *Server) applyOutcome(r *result, o *ordering.Outcome) error {
	state, reason := outcomeState(o.State)
	r.state = state
	if o.State == ordering.Committed {
		at, committed, err := s.backend.History.Lookup(r.id)
		if err != nil {
			return fmt.Errorf("look up %s: %w", r.id, err)
		}
		if committed {
			r.state, r.at = pb.State_STATE_COMMITTED, at
		}
	}
	if reason != "" {
		r.refused = outcomeRefusal(reason)
	}
	return nil
}

// outcomeRefusal puts into words why an admitted item did not get into a block or into the order.
func outcomeRefusal(reason Reason) *Refusal {
	switch reason {
	case ReasonBusy:
		return refuse(reason, "the pool is full: retry later")
	case ReasonNamespaceClosed:
		return refuse(reason, "the namespace was closed while this waited").at("namespace")
	case ReasonQuota:
		return refuse(reason, "so much of this namespace waits here that no more is taken: retry later, or more slowly")
	case ReasonNotProposing:
		return refuse(reason, "this node makes no blocks now (GET /v1/status says why): use another node or retry later")
	case ReasonExpired:
		return refuse(reason, "valid_until_commit has passed: it can no longer be committed as it was submitted here").at("valid_until_commit")
	case ReasonTooFarAhead:
		return over(reason, int(validityWindow), "valid_until_commit lies more than %d commits ahead", validityWindow).at("valid_until_commit")
	}
	return refuse(ReasonInternal, "the node refused it without a reason that this API knows")
}

// awaitCommit waits until every item on its way is settled or ctx ends, and brings results up to
// date.
func (s *Server) awaitCommit(ctx context.Context, results []result) error {
	ids := make([]crypto.Digest, 0, len(results))
	for i := range results {
		if results[i].state == pb.State_STATE_INCLUDED {
			ids = append(ids, results[i].id)
		}
	}
	w := s.tracker.await(ids)
	select {
	case <-w.done:
	case <-ctx.Done():
		s.tracker.leave(w, ids)
	}
	for i := range results {
		r := &results[i]
		if r.state != pb.State_STATE_INCLUDED {
			continue
		}
		now, _, err := s.status(r.id)
		if err != nil {
			return err
		}
		if now.state != pb.State_STATE_UNKNOWN { // it is included, even if the tracker has forgotten it
			*r = now
		}
	}
	return nil
}

// status is what this node knows of an id, and what the tracker has of it.
func (s *Server) status(id crypto.Digest) (result, tracked, error) {
	head := s.backend.History.Heads().Committed // before the look-up, which then knows all up to it
	e, known := s.tracker.get(id)
	at, committed, err := s.backend.History.Lookup(id)
	r := result{id: id, state: pb.State_STATE_UNKNOWN}
	switch {
	case err != nil:
		return r, e, fmt.Errorf("look up %s: %w", id, err)
	case committed:
		r.state, r.at = pb.State_STATE_COMMITTED, at
	case !known:
	case !settled(e.state) && e.until != 0 && head > e.until:
		r.state, r.refused = pb.State_STATE_EXPIRED, outcomeRefusal(ReasonExpired)
	default:
		r.state, r.at = e.state, e.at
		if e.reason != "" {
			r.refused = outcomeRefusal(e.reason)
		}
	}
	return r, e, nil
}
