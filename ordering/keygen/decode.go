package keygen

import (
	"encoding/binary"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// Decode reads what Encode wrote for the same committee and purpose. The bytes may come from anybody: whoever gets
// them from elsewhere must compare Digest with one that is known to be right, since the deals' proofs
// are not checked again. With 100 validators it takes 50 ms per sealing key and 0.6 s per certificate key,
// after the cheap checks. The state
// shares raw, which must not be changed. Errors wrap ErrState.
func Decode(c *dag.Committee, purpose Purpose, raw []byte) (*State, error) {
	d := newDecoder(c, purpose, raw)
	frames, n, err := d.frames()
	if err != nil {
		return nil, err
	}
	if err := d.deals(frames); err != nil {
		return nil, err
	}
	for i, f := range frames {
		check := f.checkPresent
		if i < n {
			check = f.checkReady
		}
		if err := check(); err != nil {
			return nil, err
		}
		if id := f.maths.Context().Key; id != firstKey(c)+uint64(i) {
			return nil, fmt.Errorf("%w: key %d at place %d", ErrState, id, i)
		}
	}
	d.state.keep(frames, n)
	return d.state, nil
}

// Deals lists the deals that an encoded state holds, of the ready keys and of the run that goes on, oldest run first and
// by dealer. It makes nothing of them and checks no more than the form, so that it is cheap: the state must be known to
// be right. The deals share raw, which must not be changed. Errors wrap ErrState.
func Deals(c *dag.Committee, purpose Purpose, raw []byte) ([]Origin, error) {
	d := newDecoder(c, purpose, raw)
	frames, _, err := d.frames()
	if err != nil {
		return nil, err
	}
	var out []Origin
	for _, f := range frames {
		for i, dealer := range d.state.authors(f.dealers) {
			out = append(out, Origin{Dealer: dealer, Commit: f.at[i], Digest: f.digests[i], Deal: d.take(f.maths.DealSize())})
		}
	}
	return out, nil
}

// keep takes over the runs, of which so many are ready.
func (s *State) keep(frames []*frame, ready int) {
	for i, f := range frames {
		if i < ready {
			s.keys = append(s.keys, f.run)
		} else {
			s.current = f.run
		}
	}
}

// frame is a run whose deals are not read yet.
type frame struct {
	*run
	dealers dag.AuthorSet
	at      []dag.CommitIndex // by dealer in order
	digests []crypto.Digest
}

// decoder reads fixed parts off the front of a slice; after a short read failed is set and all further
// reads give zero values.
type decoder struct {
	state     *State
	committee *dag.Committee
	rest      []byte
	failed    bool
}

func newDecoder(c *dag.Committee, purpose Purpose, raw []byte) *decoder {
	return &decoder{state: &State{committee: c, purpose: purpose, changed: true}, committee: c, rest: raw}
}

// frames reads all that goes before the deals, which must be as long as they have to be, and says how many of the runs are
// ready.
func (d *decoder) frames() (out []*frame, ready int, err error) {
	if d.uint8() != stateVersion || int(d.uint16()) != d.committee.Size() {
		return nil, 0, fmt.Errorf("%w: of another version or committee", ErrState)
	}
	d.state.excluded = d.set()
	if ready = int(d.uint16()); ready > d.committee.Validity() {
		return nil, 0, fmt.Errorf("%w: %d keys, limit %d", ErrState, ready, d.committee.Validity())
	}
	for range ready {
		out = append(out, d.run())
	}
	present := d.uint8()
	if present == 1 {
		out = append(out, d.run())
	}
	expected := 0
	for _, f := range out {
		if !d.failed {
			expected += len(f.at) * f.maths.DealSize()
		}
	}
	if d.failed || present > 1 || len(out) == 0 || len(d.rest) != expected {
		return nil, 0, fmt.Errorf("%w: cut short, too long, or a part out of its range", ErrState)
	}
	return out, ready, nil
}

func (d *decoder) take(n int) []byte {
	if d.failed || len(d.rest) < n {
		d.failed = true
		return make([]byte, n)
	}
	out := d.rest[:n:n]
	d.rest = d.rest[n:]
	return out
}

func (d *decoder) uint8() uint8   { return d.take(1)[0] }
func (d *decoder) uint16() uint16 { return binary.BigEndian.Uint16(d.take(2)) }
func (d *decoder) uint32() uint32 { return binary.BigEndian.Uint32(d.take(4)) }
func (d *decoder) uint64() uint64 { return binary.BigEndian.Uint64(d.take(8)) }
func (d *decoder) index() dag.CommitIndex {
	return dag.CommitIndex(d.uint64())
}

func (d *decoder) digest() (out crypto.Digest) {
	copy(out[:], d.take(crypto.DigestSize))
	return out
}

// set reads a set of members of the committee.
func (d *decoder) set() (set dag.AuthorSet) {
	for i := range set {
		set[i] = d.uint64()
	}
	for a := d.committee.Size(); a < dag.MaxCommittee; a++ {
		d.failed = d.failed || set.Has(dag.Author(a))
	}
	return set
}

// run reads one run but for its deals.
func (d *decoder) run() *frame {
	key, attempt := d.uint64(), d.uint32()
	f := &frame{run: &run{
		closeAt: d.index(), closedAt: d.index(), readyAt: d.index(),
		spent: d.set(), candidates: d.set(), acked: d.set(), flagged: d.set(), qualified: d.set(), digest: d.digest(),
	}, dealers: d.set()}
	for range size(f.dealers) {
		f.at = append(f.at, d.index())
		f.digests = append(f.digests, d.digest())
	}
	if d.failed {
		return f
	}
	r, err := d.state.newRun(key, attempt)
	if err != nil {
		d.failed = true
		return f
	}
	f.maths, f.run.deals = r.maths, r.deals
	return f
}

// deals reads the deals of all frames.
func (d *decoder) deals(frames []*frame) error {
	for _, f := range frames {
		next := 0
		for a := range f.run.deals {
			if !f.dealers.Has(dag.Author(a)) {
				continue
			}
			deal, err := f.maths.ReadDeal(a, d.take(f.maths.DealSize()))
			if err != nil {
				return fmt.Errorf("%w: %w", ErrState, err)
			}
			if deal.Digest() != f.digests[next] {
				return fmt.Errorf("%w: deal of dealer %d is not the one that is named", ErrState, a)
			}
			f.run.deals[a] = &dealt{deal, f.at[next]}
			next++
		}
	}
	return nil
}

// checkPresent holds the fields of the present run together.
func (f *frame) checkPresent() error {
	good := f.readyAt == 0 && size(f.qualified) == 0 && size(f.dealers.Minus(f.spent)) == 0
	if f.closedAt == 0 {
		good = good && size(f.candidates) == 0 && size(f.acked) == 0 && f.digest.IsZero()
	} else {
		good = good && f.candidates == f.dealers && f.digest == f.candidatesDigest()
	}
	if !good || size(f.flagged.Minus(f.acked)) > 0 {
		return fmt.Errorf("%w: the present run contradicts itself", ErrState)
	}
	return nil
}

// checkReady holds the fields of a ready run together and makes its key again.
func (f *frame) checkReady() error {
	inside := size(f.qualified.Minus(f.candidates)) == 0 && size(f.candidates.Minus(f.spent)) == 0 &&
		size(f.flagged.Minus(f.acked)) == 0
	if f.closedAt == 0 || f.readyAt < f.closedAt || f.qualified != f.dealers || !inside {
		return fmt.Errorf("%w: a ready key contradicts itself", ErrState)
	}
	public, err := f.maths.Combine(f.held(f.qualified))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	f.public = public
	return nil
}
