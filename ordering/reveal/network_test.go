package reveal

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// network is a committee that has made a key, and a log of commits that hold what a test puts there.
type network struct {
	t         testing.TB
	committee *dag.Committee
	hasher    *dag.ItemHasher
	random    *rand.ChaCha8
	state     *keygen.State
	members   []*keygen.Member
	keys      []keygen.Key
	sealing   []*seal.Key // beside keys
	head      dag.CommitIndex
	previous  crypto.Digest
}

// unsigned stands in for a signer: nothing here looks at signatures.
type unsigned struct{}

func (unsigned) Sign(crypto.Domain, crypto.Digest) (s crypto.Signature) { return s }

func newNetwork(t testing.TB, n int) *network {
	t.Helper()
	w := &network{t: t, random: rand.NewChaCha8([32]byte{byte(n), 9})}
	var validators []dag.Validator
	for a := range n {
		secret, err := crypto.GenerateKEMKey(w.random)
		if err != nil {
			t.Fatal(err)
		}
		w.members = append(w.members, keygen.NewMember(dag.Author(a), secret))
		validators = append(validators, dag.Validator{Identity: crypto.PublicKey{byte(a), 7}, KEM: secret.Public()})
	}
	var err error
	if w.committee, err = dag.NewCommittee(crypto.Hash("test/reveal"), dag.FirstEpoch, validators); err != nil {
		t.Fatal(err)
	}
	w.hasher = dag.NewItemHasher(w.committee.Network())
	if w.state, err = keygen.New(w.committee, keygen.Sealing); err != nil {
		t.Fatal(err)
	}
	for len(w.keys) == 0 {
		w.generate()
	}
	return w
}

// generate is one commit that holds what all members have to say for the key generation.
func (w *network) generate() {
	w.t.Helper()
	w.head++
	for a, m := range w.members {
		for _, message := range m.Messages(w.state) {
			if err := w.state.Apply(w.head, dag.Author(a), message); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	if k := w.state.Close(w.head); k != nil {
		w.addKey(*k)
	}
}

func (w *network) addKey(k keygen.Key) {
	w.t.Helper()
	key, err := seal.NewKey(w.committee.Network(), k.ID, k.Public[:])
	if err != nil {
		w.t.Fatal(err)
	}
	w.keys, w.sealing = append(w.keys, k), append(w.sealing, key)
}

// share is what a validator holds of a key.
func (w *network) share(a dag.Author, key uint64) *dkg.Share {
	w.t.Helper()
	s, err := w.members[a].Share(w.state, key)
	if err != nil {
		w.t.Fatal(err)
	}
	return &s
}

// tracker is that of a validator, which has all keys and commits so far.
func (w *network) tracker(a dag.Author) *Tracker { return w.trackerAfter(a, w.head) }

func (w *network) trackerAfter(a dag.Author, after dag.CommitIndex) *Tracker {
	w.t.Helper()
	t := New(w.committee, a, after)
	for _, k := range w.keys {
		var share *dkg.Share
		if a != ordering.Observer {
			share = w.share(a, k.ID)
		}
		if err := t.AddKey(k, share); err != nil {
			w.t.Fatal(err)
		}
	}
	return t
}

func (w *network) trackers() []*Tracker {
	var out []*Tracker
	for a := range w.members {
		out = append(out, w.tracker(dag.Author(a)))
	}
	return out
}

// legs is content for the namespaces.
func legs(payload string, namespaces ...dag.Namespace) []dag.Leg {
	var out []dag.Leg
	for _, ns := range namespaces {
		out = append(out, dag.Leg{Namespace: ns, Payload: []byte(payload)})
	}
	return out
}

// sealed is an item of the named namespaces that holds content, sealed with a key.
func (w *network) sealed(key int, content []byte, namespaces ...dag.Namespace) dag.Item {
	w.t.Helper()
	s := dag.Sealed{ValidUntil: 1000, Namespaces: namespaces}
	var err error
	if s.Ciphertext, err = w.sealing[key].Encrypt(w.random, s.Associated(), content); err != nil {
		w.t.Fatal(err)
	}
	return w.item(&s)
}

// good is a sealed item that opens.
func (w *network) good(payload string) dag.Item {
	w.t.Helper()
	content, err := dag.EncodeContent(legs(payload, 7))
	if err != nil {
		w.t.Fatal(err)
	}
	return w.sealed(len(w.keys)-1, content, 7)
}

func (w *network) item(s *dag.Sealed) dag.Item {
	w.t.Helper()
	item, err := s.Encode(w.hasher)
	if err != nil {
		w.t.Fatal(err)
	}
	return item
}

func (w *network) plain(payload string) dag.Item {
	w.t.Helper()
	tx := dag.Transaction{Namespace: 7, Payload: []byte(payload), ValidUntil: 1000}
	item, err := tx.Encode(w.hasher)
	if err != nil {
		w.t.Fatal(err)
	}
	return item
}

// commit is the next commit, all of whose items were accepted.
func (w *network) commit(items ...dag.Item) *ordering.Commit {
	w.t.Helper()
	w.head++
	c := &ordering.Commit{CommitHeader: ordering.CommitHeader{Index: w.head, Round: dag.Round(10 + w.head), Previous: w.previous}}
	perBlock := dag.MaxSealedItems(len(w.members))
	for author := dag.Author(0); len(items) > 0; author++ {
		taken := items[:min(perBlock, len(items))]
		items = items[len(taken):]
		b := w.block(author%dag.Author(len(w.members)), taken)
		for i := range taken {
			c.Accepted = append(c.Accepted, ordering.Accepted{ID: taken[i].ID, Block: uint32(len(c.Bodies)), Item: uint32(i)})
		}
		c.Blocks, c.Bodies = append(c.Blocks, b.Ref()), append(c.Bodies, b)
	}
	if _, err := c.Derive(); err != nil {
		w.t.Fatal(err)
	}
	c.Digest = c.ComputeDigest()
	w.previous = c.Digest
	return c
}

func (w *network) block(author dag.Author, items []dag.Item) *dag.Verified {
	w.t.Helper()
	parents := []dag.Ref{w.committee.Genesis(author)}
	for a := range dag.Author(len(w.members)) {
		if a != author {
			parents = append(parents, w.committee.Genesis(a))
		}
	}
	b, err := dag.Seal(w.committee, dag.Block{
		Epoch: w.committee.Epoch(), Round: 1, Author: author, Time: uint64(w.head), Parents: parents, Items: items,
	}, unsigned{})
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// offers is what each validator has to say now.
func offers(trackers []*Tracker) [][]ordering.OwnShare {
	var out [][]ordering.OwnShare
	for _, t := range trackers {
		out = append(out, t.Offers(1<<30))
	}
	return out
}

// wrong is a share message that has the form of a right one and is wrong: the points of its proof stand in
// for those of the ciphertexts.
func wrong(payload []byte) []byte {
	out := append([]byte(nil), payload...)
	share := out[messageHeader:]
	count := int(binary.BigEndian.Uint16(share[43:]))
	points, a := share[45:45+32*count], share[45+32*count:]
	for i := range count {
		copy(points[32*i:], a[:32])
	}
	return out
}

// verdicts is what a record says, in order.
func verdicts(r *Record) []Verdict {
	var out []Verdict
	for i := range r.Outcomes {
		out = append(out, r.Outcomes[i].Verdict)
	}
	return out
}

// one is the only record that a tracker hands out.
func one(t testing.TB, tracker *Tracker) *Record {
	t.Helper()
	tracker.Work()
	records := tracker.Take()
	if len(records) != 1 {
		t.Fatalf("%d records, want 1; %d commits are open", len(records), tracker.Open())
	}
	return records[0]
}
