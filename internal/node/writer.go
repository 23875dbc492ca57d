package node

import (
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/store"
)

// writer carries out Readys in order: blocks into the log, one fdatasync for all that wait, and only
// then anything that others can see. A node that cannot write must not speak: the first error
// of the store ends it.
type writer struct {
	node    *node
	inbox   chan ordering.Ready
	stopped chan struct{} // closed when run returns
	certain bool          // whether an own block was made since the newest that others returned
}

func newWriter(n *node) *writer {
	return &writer{node: n, inbox: make(chan ordering.Ready, maxUnwritten), stopped: make(chan struct{})}
}

// run works until the inbox is closed, and drains it first, or until the store fails.
func (w *writer) run() error {
	defer close(w.stopped)
	for ready := range w.inbox {
		group := []ordering.Ready{ready}
		for more := true; more && len(group) <= maxUnwritten; {
			select {
			case next, open := <-w.inbox:
				if more = open; open {
					group = append(group, next)
				}
			default:
				more = false
			}
		}
		if err := w.write(group); err != nil {
			return err
		}
		for i := range group {
			w.speak(&group[i])
		}
	}
	return nil
}

// write makes everything in the group durable that must be before it leaves.
func (w *writer) write(group []ordering.Ready) error {
	sync := false
	for i := range group {
		r := &group[i]
		if err := w.note(r); err != nil {
			return err
		}
		if len(r.Persist) > 0 {
			if err := w.node.store.Append(r.Persist); err != nil {
				return fmt.Errorf("write blocks: %w", err)
			}
		}
		sync = sync || len(r.Broadcast)+len(r.Commits) > 0
	}
	if sync {
		if err := w.node.store.Sync(); err != nil {
			return fmt.Errorf("sync blocks: %w", err)
		}
	}
	if err := w.settle(); err != nil {
		return err
	}
	for i := range group {
		if commits := group[i].Commits; len(commits) > 0 {
			err := w.node.store.PutCommits(commits)
			if errors.Is(err, store.ErrDiverged) {
				return homeError(faultAdvice, "write commits: %w", err)
			}
			if err != nil {
				return fmt.Errorf("write commits: %w", err)
			}
		}
	}
	return nil
}

// note raises the doubt, before the Ready is written, if others returned an own block that was not
// known here.
func (w *writer) note(r *ordering.Ready) error {
	shown, made := w.node.doubt.look(r)
	w.certain = !shown && (w.certain || made)
	if !shown || w.node.doubt.stands {
		return nil
	}
	w.node.log.Warn("log_older_than_signed", "next", "none: others returned blocks of this validator that its log does not have; it asks 2f+1 others what it has signed before it speaks")
	return w.node.doubt.raise()
}

// settle ends the doubt once an own block that was made since is durable.
func (w *writer) settle() error {
	if !w.certain {
		return nil
	}
	return w.node.doubt.settle()
}

// speak lets out what is durable now.
func (w *writer) speak(r *ordering.Ready) {
	n := w.node
	for _, b := range r.Broadcast {
		n.network.Broadcast(b)
	}
	for _, s := range r.Sends {
		if err := n.network.Send(s); err != nil {
			n.log.Debug("message_not_sent", "err", err)
		}
	}
	for _, f := range r.Fetches {
		n.network.Fetch(f)
	}
	n.pending.answer(r.Outcomes)
	if len(r.Commits) > 0 {
		n.history.announce()
		n.revealer.bell.ring() // what was revealed before it was written
		n.certifier.bell.ring()
	}
	for _, ev := range r.Evidence {
		n.log.Error("equivocation", "slot", ev.Slot(), "first", ev.First.Ref(), "second", ev.Second.Ref(),
			"validator", n.committee.Validator(ev.Slot().Author).Name, "next", "tell its operator: two copies of its key sign")
	}
}
