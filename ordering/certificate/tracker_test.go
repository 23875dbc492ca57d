package certificate

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/certify"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// world is a committee with its certificate key and a chain of commits.
type world struct {
	t         testing.TB
	committee *dag.Committee
	key       keygen.Key
	public    certify.PublicKey
	shares    []dkg.Share
	head      *ordering.Commit
}

func newWorld(t testing.TB, n int) *world {
	t.Helper()
	random := rand.NewChaCha8([32]byte{byte(n), 7})
	w := &world{t: t, head: &ordering.Commit{}}
	var secrets []*crypto.KEMKey
	var validators []dag.Validator
	for a := range n {
		secret, err := crypto.GenerateKEMKey(random)
		check(t, err)
		secrets = append(secrets, secret)
		validators = append(validators, dag.Validator{Identity: crypto.PublicKey{byte(a), 1}, KEM: secret.Public()})
	}
	var err error
	w.committee, err = dag.NewCommittee(crypto.Digest{1, 2, 3}, dag.FirstEpoch, validators)
	check(t, err)
	state, err := keygen.New(w.committee, keygen.Certificates)
	check(t, err)
	var members []*keygen.Member
	for a := range dag.Author(n) {
		members = append(members, keygen.NewMember(a, secrets[a]))
	}
	for at := dag.CommitIndex(1); len(state.Keys()) == 0; at++ {
		for a, m := range members {
			for _, said := range m.Messages(state) {
				check(t, state.Apply(at, dag.Author(a), said))
			}
		}
		state.Close(at)
	}
	w.key, _ = state.Serving()
	w.key.From = 1
	committee, err := certify.NewCommittee(w.key.Public, w.key.Threshold, w.key.Shares)
	check(t, err)
	w.public = committee.Public()
	for _, m := range members {
		share, err := m.Share(state, w.key.ID)
		check(t, err)
		w.shares = append(w.shares, share)
	}
	return w
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) tracker(self dag.Author) *Tracker {
	w.t.Helper()
	t := New(w.committee, self, 0)
	var share *dkg.Share
	if self != ordering.Observer {
		share = &w.shares[self]
	}
	check(w.t, t.AddKey(w.key, share))
	return t
}

// commit is the next commit of the chain; checkpoint is the newest one that it names.
func (w *world) commit(checkpoint dag.CommitIndex) *ordering.Commit {
	c := &ordering.Commit{CommitHeader: ordering.CommitHeader{Index: w.head.Index + 1, Epoch: w.committee.Epoch(), Previous: w.head.Digest}}
	c.Digest = c.ComputeDigest()
	c.Resume = append(binary.BigEndian.AppendUint64([]byte{0}, uint64(checkpoint)), make([]byte, 9)...)
	w.head = c
	return c
}

// checkpoint is the next commit, as a checkpoint.
func (w *world) checkpoint() *ordering.Commit { return w.commit(w.head.Index + 1) }

// sign is what an author's block says of a commit.
func (w *world) sign(a dag.Author, commits ...*ordering.Commit) ordering.SignaturesSeen {
	w.t.Helper()
	secret, err := certify.NewShare(w.shares[a][:])
	check(w.t, err)
	var signed []ordering.Signed
	for _, c := range commits {
		m := certify.Message(w.committee.Network(), uint64(c.Epoch), uint64(c.Index), c.Digest)
		signed = append(signed, ordering.Signed{Commit: c.Index, Signature: secret.Sign(m)})
	}
	return ordering.SignaturesSeen{Block: dag.Ref{Round: 9, Author: a, Digest: crypto.Digest{byte(a)}}, Payload: ordering.EncodeSigned(signed)}
}

// certified takes what was certified and verifies it.
func (w *world) certified(t *Tracker) []dag.CommitIndex {
	w.t.Helper()
	var out []dag.CommitIndex
	for _, c := range t.Take() {
		check(w.t, c.Verify(w.committee.Network(), w.public))
		again, err := Decode(c.Encode())
		if err != nil || *again != *c {
			w.t.Errorf("%+v reads back as %+v, %v", c, again, err)
		}
		out = append(out, c.Commit.Index)
	}
	return out
}

func (w *world) want(t *Tracker, indices ...dag.CommitIndex) {
	w.t.Helper()
	t.Work()
	got := w.certified(t)
	if len(got) != len(indices) {
		w.t.Fatalf("certified %v, want %v", got, indices)
	}
	for i := range got {
		if got[i] != indices[i] {
			w.t.Fatalf("certified %v, want %v", got, indices)
		}
	}
}

// Any 2f+1 signatures certify, of an observer too; one less does not; other commits than checkpoints are not
// certified.
func TestQuorumCertifies(t *testing.T) {
	w := newWorld(t, 4)
	validator, observer := w.tracker(2), w.tracker(ordering.Observer)
	first, second, third := w.checkpoint(), w.commit(1), w.checkpoint()
	for _, c := range []*ordering.Commit{first, second, third} {
		validator.Commit(c)
		observer.Commit(c)
	}
	own := validator.Sign()
	if len(own) != 2 || own[0].Commit != 1 || own[1].Commit != 3 || len(validator.Sign()) != 0 || len(observer.Sign()) != 0 {
		t.Fatalf("signed %+v", own)
	}
	for _, tracker := range []*Tracker{validator, observer} {
		check(t, tracker.Signatures(w.sign(0, first, second, third)))
		w.want(tracker)
		check(t, tracker.Signatures(w.sign(0, first, second, third)))
		w.want(tracker) // one author counts once
	}
	check(t, validator.Signatures(w.sign(3, second, third)))
	w.want(validator, 3) // with its own
	check(t, observer.Signatures(w.sign(1, first, second, third)))
	w.want(observer)
	check(t, observer.Signatures(w.sign(3, first, second, third)))
	w.want(observer, 1, 3)
	check(t, validator.Signatures(w.sign(1, first)))
	w.want(validator, 1) // later, beside a newer one
	if validator.Certified() != 3 || observer.Certified() != 3 || validator.Open() != 0 {
		t.Errorf("certified %d and %d, %d open", validator.Certified(), observer.Certified(), validator.Open())
	}
}

// Wrong signatures certify nothing, do not keep the right ones from certifying, and are named.
func TestWrongSignatures(t *testing.T) {
	w := newWorld(t, 7)
	tracker := w.tracker(ordering.Observer)
	first, second := w.checkpoint(), w.checkpoint()
	tracker.Commit(first)
	tracker.Commit(second)
	other := *second
	other.Digest[0]++
	wrong := w.sign(1, first, &other) // a signature of something else
	check(t, tracker.Signatures(wrong))
	garbage := ordering.SignaturesSeen{Block: dag.Ref{Author: 4}, Payload: ordering.EncodeSigned([]ordering.Signed{{Commit: 2, Signature: certify.Signature{1}}})}
	check(t, tracker.Signatures(garbage))
	for _, a := range []dag.Author{0, 2, 3} {
		check(t, tracker.Signatures(w.sign(a, first, second)))
	}
	w.want(tracker)
	check(t, tracker.Signatures(w.sign(5, first, second)))
	w.want(tracker, 1)
	faults := tracker.Faults()
	if len(faults) != 2 || len(tracker.Faults()) != 0 {
		t.Fatalf("faults %+v", faults)
	}
	for _, f := range faults {
		if f.Commit != second.Ref() || (f.Block != wrong.Block && f.Block != garbage.Block) {
			t.Errorf("fault %+v", f)
		}
	}
	check(t, tracker.Signatures(w.sign(1, second))) // too late: the first of each author counts
	w.want(tracker)
	check(t, tracker.Signatures(w.sign(6, second)))
	w.want(tracker, 2)
}

// Who signed wrongly once costs nobody more for a time, in what waits already and in what comes; then it counts again.
func TestWrongSignersArePassedOver(t *testing.T) {
	w := newWorld(t, 7)
	tracker := w.tracker(ordering.Observer)
	var commits, wrong []*ordering.Commit
	for range 3 {
		c := w.checkpoint()
		tracker.Commit(c)
		other := *c
		other.Digest[0]++
		commits, wrong = append(commits, c), append(wrong, &other)
	}
	check(t, tracker.Signatures(w.sign(1, wrong...)))
	for _, a := range []dag.Author{0, 2, 3, 4} {
		check(t, tracker.Signatures(w.sign(a, commits...)))
	}
	w.want(tracker)
	if faults := tracker.Faults(); len(faults) != 1 || faults[0].Block.Author != 1 || faults[0].Commit != commits[0].Ref() {
		t.Errorf("faults %+v", faults)
	}
	check(t, tracker.Signatures(w.sign(5, commits...)))
	w.want(tracker, 1, 2, 3)

	next := w.checkpoint()
	tracker.Commit(next)
	for _, a := range []dag.Author{1, 0, 2, 3, 4} {
		check(t, tracker.Signatures(w.sign(a, next)))
	}
	w.want(tracker)
	check(t, tracker.Signatures(w.sign(5, next)))
	w.want(tracker, next.Index)

	for w.head.Index < commits[0].Index+passOver {
		tracker.Commit(w.commit(next.Index))
	}
	later := w.checkpoint()
	tracker.Commit(later)
	for _, a := range []dag.Author{1, 0, 2, 3, 4} {
		check(t, tracker.Signatures(w.sign(a, later)))
	}
	w.want(tracker, later.Index)
	if faults := tracker.Faults(); len(faults) != 0 {
		t.Errorf("faults %+v", faults)
	}
}

// A wrong signature that is an element of the group shows only when what it was combined to is verified.
func TestWrongElement(t *testing.T) {
	w := newWorld(t, 4)
	tracker := w.tracker(ordering.Observer)
	c := w.checkpoint()
	tracker.Commit(c)
	other := *c
	other.Digest[0]++
	check(t, tracker.Signatures(w.sign(1, &other)))
	check(t, tracker.Signatures(w.sign(0, c)))
	check(t, tracker.Signatures(w.sign(2, c)))
	w.want(tracker)
	if faults := tracker.Faults(); len(faults) != 1 || faults[0].Block.Author != 1 {
		t.Errorf("faults %+v", faults)
	}
	check(t, tracker.Signatures(w.sign(3, c)))
	w.want(tracker, 1)
}

// Signatures that come before their commit count, within limits.
func TestEarlySignatures(t *testing.T) {
	w := newWorld(t, 4)
	tracker := w.tracker(ordering.Observer)
	c := w.checkpoint()
	for a := range dag.Author(3) {
		check(t, tracker.Signatures(w.sign(a, c)))
	}
	w.want(tracker)
	tracker.Commit(c)
	w.want(tracker, 1)
	far := ordering.Signed{Commit: 1 + earlyReach + 1}
	for i := range dag.CommitIndex(10 * maxEarly) {
		signed := []ordering.Signed{{Commit: 2 + i}, far}
		check(t, tracker.Signatures(ordering.SignaturesSeen{Block: dag.Ref{Author: 1}, Payload: ordering.EncodeSigned(signed)}))
	}
	if len(tracker.early) != maxEarly || tracker.byAuthor[1] != maxEarly {
		t.Errorf("%d kept, %d counted, limit %d", len(tracker.early), tracker.byAuthor[1], maxEarly)
	}
	for range maxEarly + 1 {
		tracker.Commit(w.commit(1))
	}
	if len(tracker.early) != 0 || tracker.byAuthor[1] != 0 {
		t.Errorf("%d kept, %d counted after their commits", len(tracker.early), tracker.byAuthor[1])
	}
	if err := tracker.Signatures(ordering.SignaturesSeen{Payload: []byte{1}}); !errors.Is(err, ordering.ErrSigned) {
		t.Error(err)
	}
}

// A tracker that is far behind keeps a bounded number of checkpoints and signs the newest only.
func TestFarBehind(t *testing.T) {
	w := newWorld(t, 4)
	tracker := w.tracker(0)
	var last *ordering.Commit
	for range maxOpen + 50 {
		last = w.checkpoint()
		tracker.Commit(last)
	}
	if tracker.Open() != maxOpen {
		t.Errorf("%d open", tracker.Open())
	}
	if own := tracker.Sign(); len(own) != maxSign || own[maxSign-1].Commit != last.Index {
		t.Errorf("signed %d", len(own))
	}
	for _, a := range []dag.Author{1, 2} {
		check(t, tracker.Signatures(w.sign(a, last)))
	}
	w.want(tracker, last.Index)
	if tracker.Open() != keepOpen {
		t.Errorf("%d open after a certificate", tracker.Open())
	}
}

// Many at once are certified together, and each commit by the key that served in it.
func TestKeysFollowEachOther(t *testing.T) {
	w := newWorld(t, 4)
	old := *w
	tracker := w.tracker(ordering.Observer)
	next := newWorld(t, 4)
	next.key.ID, next.key.From = w.key.ID+1, 3
	for i := range next.shares { // another key: twice the old one's shares would do, a new generation is simpler
		next.shares[i] = w.shares[i]
	}
	check(t, tracker.AddKey(next.key, nil))
	var commits []*ordering.Commit
	for range 4 {
		commits = append(commits, old.checkpoint())
		tracker.Commit(commits[len(commits)-1])
	}
	for a := range dag.Author(3) {
		check(t, tracker.Signatures(old.sign(a, commits...)))
	}
	tracker.Work()
	certificates := tracker.Take()
	if len(certificates) != 4 {
		t.Fatalf("%d certificates", len(certificates))
	}
	for i, c := range certificates {
		if want := w.key.ID + uint64(i/2); c.Key != want {
			t.Errorf("commit %d is signed by key %d, want %d", c.Commit.Index, c.Key, want)
		}
	}
	if tracker.keys.In(0) != nil || tracker.keys.In(2).ID != w.key.ID {
		t.Error("the wrong key serves")
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := (&Certificate{Epoch: 1, Key: 2}).Encode()
	for name, b := range map[string][]byte{"nothing": nil, "cut": good[1:], "too long": append(good[:Size:Size], 0), "version": append([]byte{2}, good[1:]...)} {
		if _, err := Decode(b); !errors.Is(err, ErrCertificate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err := Decode(good)
	check(t, err)
	if err := c.Verify(crypto.Digest{}, certify.PublicKey{}); !errors.Is(err, ErrCertificate) || !errors.Is(err, certify.ErrKey) {
		t.Error(err)
	}
}
