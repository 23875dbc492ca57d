package keygen

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

// world is a committee whose members see one log. Whatever is in it counts as committed.
type world struct {
	t         testing.TB
	committee *dag.Committee
	purpose   Purpose
	secrets   []*crypto.KEMKey
	members   []*Member
	state     *State
	at        dag.CommitIndex
	log       [][]entry

	silent map[dag.Author]bool                                         // whose messages do not get in
	cheat  func(a dag.Author, m dag.SystemMessage) []dag.SystemMessage // nil for honest
}

// entry is one message in a commit.
type entry struct {
	author  dag.Author
	message dag.SystemMessage
}

func newWorld(t testing.TB, n int) *world { return newWorldFor(t, n, Sealing) }

func newWorldFor(t testing.TB, n int, purpose Purpose) *world {
	t.Helper()
	random := rand.NewChaCha8([32]byte{byte(n), 2})
	w := &world{t: t, purpose: purpose, silent: make(map[dag.Author]bool)}
	var validators []dag.Validator
	for a := range n {
		secret, err := crypto.GenerateKEMKey(random)
		if err != nil {
			t.Fatal(err)
		}
		w.secrets = append(w.secrets, secret)
		w.members = append(w.members, NewMember(dag.Author(a), secret))
		validators = append(validators, dag.Validator{Identity: crypto.PublicKey{byte(a), byte(a >> 8), 1}, KEM: secret.Public()})
	}
	var err error
	if w.committee, err = dag.NewCommittee(crypto.Digest{1, 2, 3}, dag.FirstEpoch, validators); err != nil {
		t.Fatal(err)
	}
	w.state = w.fresh()
	return w
}

func (w *world) fresh() *State {
	w.t.Helper()
	s, err := New(w.committee, w.purpose)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// said is what the members that are not silent put into their blocks now.
func (w *world) said() []entry {
	var out []entry
	for a := range dag.Author(len(w.members)) {
		if w.silent[a] {
			continue
		}
		for _, m := range w.members[a].Messages(w.state) {
			sent := []dag.SystemMessage{m}
			if w.cheat != nil {
				sent = w.cheat(a, m)
			}
			for _, m := range sent {
				out = append(out, entry{a, m})
			}
		}
	}
	return out
}

// commit commits the entries.
func (w *world) commit(entries ...entry) *Key {
	w.at++
	w.log = append(w.log, entries)
	return applied(w.state, w.at, entries)
}

func applied(s *State, at dag.CommitIndex, entries []entry) *Key {
	for _, e := range entries {
		_ = s.Apply(at, e.author, e.message) // the tests that mean the error ask for it themselves
	}
	return s.Close(at)
}

// step commits what everybody says.
func (w *world) step() *Key { return w.commit(w.said()...) }

// until steps until a key is ready, at most so many commits.
func (w *world) until(commits int) Key {
	w.t.Helper()
	for range commits {
		if k := w.step(); k != nil {
			return *k
		}
	}
	w.t.Fatalf("no key after %d commits: %+v", commits, w.state.Status())
	return Key{}
}

// phase steps until the state is in the phase.
func (w *world) phase(want Phase) {
	w.t.Helper()
	for range DealWindow + AckWindow + 2 {
		if w.state.Status().Phase == want {
			return
		}
		w.step()
	}
	w.t.Fatalf("phase %v does not come: %+v", want, w.state.Status())
}

// replay is the state of somebody who reads the log later.
func (w *world) replay() *State {
	w.t.Helper()
	s := w.fresh()
	for i, entries := range w.log {
		applied(s, dag.CommitIndex(i+1), entries)
	}
	return s
}

// works checks that any 2f+1 of the holders' shares act as the secret of the key, and each fits Y_k.
func (w *world) works(k Key, holders ...dag.Author) {
	w.t.Helper()
	if len(holders) < k.Threshold {
		w.t.Fatalf("%d holders, threshold %d", len(holders), k.Threshold)
	}
	shares := make(map[dag.Author]*scalar.Scalar)
	for _, a := range holders {
		share, err := w.members[a].Share(w.state, k.ID)
		if err != nil {
			w.t.Fatalf("share of %v: %v", a, err)
		}
		if shares[a], err = scalar.NewFromCanonicalBytes(share[:]); err != nil {
			w.t.Fatal(err)
		}
		if !bytes.Equal(encodedPower(shares[a]), k.Shares[a]) {
			w.t.Errorf("the share of %v does not fit what is known of it", a)
		}
	}
	order := rand.New(rand.NewPCG(k.ID, uint64(len(holders))))
	for range 3 {
		order.Shuffle(len(holders), func(i, j int) { holders[i], holders[j] = holders[j], holders[i] })
		quorum := holders[:k.Threshold]
		sum := scalar.New()
		for _, a := range quorum {
			sum.Add(sum, scalar.New().Mul(shares[a], weight(quorum, a)))
		}
		if !bytes.Equal(encodedPower(sum), k.Public) {
			w.t.Errorf("the shares of %v do not act as the key's secret", quorum)
		}
	}
}

func encodedPower(s *scalar.Scalar) []byte {
	p := curve.NewRistrettoPoint().MulBasepoint(curve.RISTRETTO_BASEPOINT_TABLE, s)
	return curve.NewCompressedRistretto().SetRistrettoPoint(p)[:]
}

// weight is the Lagrange coefficient of a in the quorum at 0.
func weight(quorum []dag.Author, a dag.Author) *scalar.Scalar {
	out := scalar.One()
	for _, other := range quorum {
		if other == a {
			continue
		}
		x, d := scalar.NewFromUint64(uint64(other)+1), scalar.NewFromUint64(uint64(a)+1)
		d.Sub(x, d)
		out.Mul(out.Mul(out, x), d.Invert(d))
	}
	return out
}

func authors(from, to int) []dag.Author {
	var out []dag.Author
	for a := from; a < to; a++ {
		out = append(out, dag.Author(a))
	}
	return out
}

// spoilt is a deal whose encrypted share for victim does not open; everything that everybody can check
// holds.
func (w *world) spoilt(deal []byte, victims ...dag.Author) []byte {
	out := bytes.Clone(deal)
	for _, v := range victims {
		out[len(out)-48*(w.committee.Size()-int(v))] ^= 1
	}
	return out
}

// dealing is the deal of a in the present run.
func (w *world) dealing(a dag.Author) dag.SystemMessage {
	return dag.SystemMessage{Kind: w.purpose.Deal, Payload: w.state.current.maths.MakeDeal(int(a), w.secrets[a])}
}
