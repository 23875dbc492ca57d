package frontrun

import (
	"fmt"
	"time"

	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/reveal"
)

// reader follows an engine's commits, opens what they hold, and keeps the rollups' books.
type reader struct {
	tracker *reveal.Tracker
	keys    map[uint64]*seal.Key
	commits []*ordering.Commit // that wait to be revealed, in order
	records map[dag.CommitIndex]*reveal.Record
	books   *books
	tip     dag.CommitIndex // the newest commit of the order
}

func newReader(w *world, self dag.Author) *reader {
	return &reader{
		tracker: reveal.New(w.committee, self, 0), keys: make(map[uint64]*seal.Key),
		records: make(map[dag.CommitIndex]*reveal.Record), books: newBooks(),
	}
}

// take hands the tracker what an engine gave.
func (r *reader) take(w *world, ready *ordering.Ready) error {
	for i := range ready.Keys {
		k := &ready.Keys[i]
		key, err := w.key(&k.Key)
		if err == nil {
			err = r.tracker.AddKey(k.Key, k.Share)
		}
		if err != nil {
			return fmt.Errorf("sealing key: %w", err)
		}
		r.keys[k.Key.ID] = key
	}
	for _, c := range ready.Commits {
		r.tracker.Commit(c)
		r.commits, r.tip = append(r.commits, c), c.Index
	}
	for _, s := range ready.Shares {
		_ = r.tracker.Share(s.Author, s.Payload) // a wrong one is its author's fault
	}
	return r.open()
}

// open reads all commits that are revealed by now.
func (r *reader) open() error {
	r.tracker.Work()
	for _, record := range r.tracker.Take() {
		r.records[record.Commit.Index] = record
	}
	for len(r.commits) > 0 && r.commits[0].Index <= r.tracker.Revealed() {
		c := r.commits[0]
		r.commits = r.commits[1:]
		record := r.records[c.Index]
		delete(r.records, c.Index)
		if record == nil {
			record = &reveal.Record{}
		}
		if err := r.books.read(c, record, r.legs); err != nil {
			return fmt.Errorf("commit %d: %w", c.Index, err)
		}
	}
	return nil
}

// legs is what a sealed item holds, checked with its opening alone.
func (r *reader) legs(s *dag.Sealed, o *reveal.Outcome) ([]dag.Leg, error) {
	id, err := seal.KeyID(s.Ciphertext)
	if err != nil {
		return nil, err
	}
	return reveal.Open(r.keys[id], s, o.Opening)
}

// validator is an honest one: a real engine with what opens its commits.
type validator struct {
	*reader
	world  *world
	self   dag.Author
	engine *ordering.Engine
	wakeAt time.Duration
	ticket uint64
}

func newValidator(w *world, self dag.Author) (*validator, error) {
	engine, err := ordering.NewEngine(ordering.Config{
		Committee: w.committee, Registry: w.registry, Self: self, Signer: unsigned{}, Created: wallStart,
		Sealing: ordering.WithSealing, KEM: w.secrets[self],
	}, ordering.Restored{})
	if err != nil {
		return nil, fmt.Errorf("start validator %v: %w", self, err)
	}
	v := &validator{reader: newReader(w, self), world: w, self: self, engine: engine}
	w.after(1, func() { v.step(nil) })
	return v, nil
}

// submit takes a user's item.
func (v *validator) submit(item dag.Item) {
	v.ticket++
	v.step(ordering.Submitted{Ticket: v.ticket, Items: []dag.Item{item}})
}

// step gives the engine an event, or just the time, and carries out what follows.
func (v *validator) step(event ordering.Event) {
	w := v.world
	v.engine.Step(ordering.Tick{Now: w.now, Wall: w.wall()})
	if event != nil {
		v.engine.Step(event)
	}
	ready := v.engine.Ready()
	if ready.Fault != nil {
		w.fail(fmt.Errorf("validator %v: %w", v.self, ready.Fault))
		return
	}
	for _, b := range ready.Broadcast {
		w.speak(b)
	}
	for i := range ready.Sends {
		w.send(v.self, &ready.Sends[i])
	}
	for _, f := range ready.Fetches {
		w.fetch(v, f)
	}
	if err := v.take(w, &ready); err != nil {
		w.fail(fmt.Errorf("validator %v: %w", v.self, err))
		return
	}
	if offers := v.tracker.Offers(dag.MaxSystemBytes); len(offers) > 0 {
		w.after(openDelay, func() { v.step(ordering.SharesMade{Shares: offers}) })
	}
	if at := ready.WakeAt; at > 0 && (v.wakeAt <= w.now || at < v.wakeAt) {
		v.wakeAt = at
		w.after(at-w.now, func() {
			if v.wakeAt == w.now {
				v.step(nil)
			}
		})
	}
}
