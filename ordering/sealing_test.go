package ordering

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// sealingCluster is a cluster that makes a sealing key.
type sealingCluster struct {
	*cluster
	kem  []*crypto.KEMKey
	keys [][]KeyReady // by node
}

func newSealingCluster(t testing.TB, n int, seed uint64) *sealingCluster {
	t.Helper()
	return newKeyedCluster(t, n, seed, func(cfg *Config) { cfg.Sealing = WithSealing })
}

// newKeyedCluster is a cluster with KEM keys, for whatever adapt asks of its engines.
func newKeyedCluster(t testing.TB, n int, seed uint64, adapt func(*Config)) *sealingCluster {
	t.Helper()
	s := &sealingCluster{cluster: newCluster(t, n, seed), keys: make([][]KeyReady, n)}
	random := rand.NewChaCha8([32]byte{byte(n)})
	var validators []dag.Validator
	for a := range dag.Author(n) {
		key, err := crypto.GenerateKEMKey(random)
		if err != nil {
			t.Fatal(err)
		}
		v := s.committee.Validator(a)
		v.KEM = key.Public()
		s.kem, validators = append(s.kem, key), append(validators, v)
	}
	var err error
	if s.committee, err = dag.NewCommittee(s.committee.Network(), s.committee.Epoch(), validators); err != nil {
		t.Fatal(err)
	}
	s.adapt = func(cfg *Config) {
		adapt(cfg)
		if cfg.Self != Observer {
			cfg.KEM = s.kem[cfg.Self]
		}
	}
	s.seen = s.note
	s.queue = nil
	for i := range n {
		s.nodes[i] = &clusterNode{}
		s.start(i, Restored{})
	}
	for i := range n {
		s.connect(i)
	}
	return s
}

func (s *sealingCluster) note(i int, r *Ready) { s.keys[i] = append(s.keys[i], r.Keys...) }

// again restarts a node from what its disk holds.
func (s *sealingCluster) again(i int) {
	s.t.Helper()
	s.nodes[i].down = true
	s.keys[i] = nil
	r := s.restored(i)
	r.States = s.statesOf(r.Head)
	s.start(i, r)
	s.connect(i)
}

// statesOf is the carried states that belong to a head.
func (s *sealingCluster) statesOf(head *Commit) []State {
	states, err := ReadStates(head, func(i dag.CommitIndex) (*Commit, error) {
		for _, node := range s.nodes {
			if len(node.commits) >= int(i) {
				return node.commits[i-1], nil
			}
		}
		return nil, errors.New("nobody has that commit")
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return states
}

// until runs until something is so, for at most some seconds.
func (s *sealingCluster) until(what string, so func() bool) {
	s.t.Helper()
	for range 6000 {
		if so() {
			return
		}
		s.run(5 * time.Millisecond)
	}
	s.t.Fatalf("%s: not so after 30 seconds; key generation %+v", what, s.nodes[0].engine.Status().Keygen)
}

func (s *sealingCluster) everybodyHasAKey() bool {
	return !slices.ContainsFunc(s.keys, func(k []KeyReady) bool { return len(k) == 0 })
}

// said is the system messages of a kind in the blocks of an author, in order.
func (s *sealingCluster) said(i int, kind dag.SystemKind) [][]byte {
	var out [][]byte
	for _, b := range s.nodes[i].own {
		for _, m := range b.Block().System {
			if m.Kind == kind {
				out = append(out, m.Payload)
			}
		}
	}
	return out
}

// sameKey checks that all nodes hold one key and validators a share of it that fits.
func (s *sealingCluster) sameKey() {
	s.t.Helper()
	want := s.keys[0][0].Key
	for i, keys := range s.keys {
		k := keys[len(keys)-1]
		if k.Key.ID != want.ID || !bytes.Equal(k.Key.Public, want.Public) || k.Key.From != want.From || !slices.EqualFunc(k.Key.Shares, want.Shares, bytes.Equal) {
			s.t.Errorf("node %d has key %d %x from commit %d, node 0 has key %d %x from commit %d", i,
				k.Key.ID, k.Key.Public[:4], k.Key.From, want.ID, want.Public[:4], want.From)
		}
		if k.Lost != nil || k.Share == nil {
			s.t.Errorf("node %d has no share: %v", i, k.Lost)
			continue
		}
		s.fits(i, &k.Key, k.Share)
	}
}

func (s *sealingCluster) fits(i int, k *keygen.Key, share *dkg.Share) {
	s.t.Helper()
	key, err := seal.NewKey(s.committee.Network(), k.ID, k.Public[:])
	if err != nil {
		s.t.Fatal(err)
	}
	secret, err := seal.NewSecretShare(key, i+1, share[:])
	if err != nil {
		s.t.Fatal(err)
	}
	if got := secret.Public(); !bytes.Equal(got[:], k.Shares[i]) {
		s.t.Errorf("node %d has a share that does not fit what is known of it", i)
	}
}

// TestKeyFromNothing: a fresh network makes its key in its first rounds. Each deal and acknowledgement
// stands in one block.
func TestKeyFromNothing(t *testing.T) {
	for _, n := range []int{1, 4, 7} {
		t.Run(fmt.Sprint("n=", n), func(t *testing.T) {
			s := newSealingCluster(t, n, 1)
			s.until("everybody has a key", s.everybodyHasAKey)
			s.sameKey()
			s.agree()
			if at := s.keys[0][0].Key.From; at > 40 {
				t.Errorf("the key serves from commit %d on", at)
			}
			for i := range s.nodes {
				if deals, acks := len(s.said(i, keygen.KindDeal)), len(s.said(i, keygen.KindAck)); deals != 1 || acks != 1 {
					t.Errorf("node %d said %d deals and %d acknowledgements, want one of each", i, deals, acks)
				}
				if got := s.nodes[i].engine.Status().Keygen; got.Phase != keygen.Ready || got.Serving != s.keys[0][0].Key.ID {
					t.Errorf("node %d: %+v", i, got)
				}
			}
		})
	}
}

// TestKeyAcrossRestarts restarts one validator in each phase, with another one missing until the end.
func TestKeyAcrossRestarts(t *testing.T) {
	s := newSealingCluster(t, 4, 2)
	s.kill(3)
	phase := func(want keygen.Phase) func() bool {
		return func() bool { return s.nodes[0].engine.Status().Keygen.Phase == want }
	}
	s.until("deals are in", func() bool { return s.nodes[0].engine.Status().Keygen.Deals == 3 })
	for _, p := range []keygen.Phase{keygen.Dealing, keygen.Acknowledging} {
		s.until(p.String(), phase(p))
		before := s.nodes[0].engine.Status().Keygen
		s.again(0)
		if got := s.nodes[0].engine.Status().Keygen; got.Phase != before.Phase || got.Deals != before.Deals || got.Acks != before.Acks {
			t.Fatalf("after a restart %+v, before %+v", got, before)
		}
		s.run(200 * time.Millisecond)
		s.agree()
	}
	s.start(3, s.restored(3))
	s.connect(3)
	s.until("everybody has a key", s.everybodyHasAKey)
	s.sameKey()
	s.again(2) // with the key there
	s.run(100 * time.Millisecond)
	s.sameKey()
	s.agree()
	for i := range s.nodes[:3] {
		said := s.said(i, keygen.KindDeal)
		for _, d := range said {
			if !bytes.Equal(d, said[0]) {
				t.Errorf("node %d made two deals", i)
			}
		}
	}
}

// TestRestoredKeyGenerationMustBeTheHeads refuses a state that is not the one of the head.
func TestRestoredKeyGenerationMustBeTheHeads(t *testing.T) {
	s := newSealingCluster(t, 4, 3)
	s.until("everybody has a key", s.everybodyHasAKey)
	r := s.restored(0)
	states := s.statesOf(r.Head)
	good := encodedState(states, SealingKey)
	var other []byte
	for _, c := range s.nodes[0].commits {
		if written := encodedState(c.States, SealingKey); written != nil && !bytes.Equal(written, good) {
			other = written
		}
	}
	cfg := Config{Committee: s.committee, Registry: s.registry, Self: Observer}
	s.adapt(&cfg)
	for name, raw := range map[string][]byte{"none": nil, "older": other, "cut": good[:len(good)-1]} {
		r.States = []State{{SealingKey, raw}}
		if _, err := NewEngine(cfg, r); err == nil || (name == "older" && !errors.Is(err, ErrCommit)) {
			t.Errorf("state %s: error %v", name, err)
		}
	}
	r.States = states
	e, err := NewEngine(cfg, r)
	if err != nil {
		t.Fatal(err)
	}
	ready := e.Ready()
	if len(ready.Keys) != 1 || ready.Keys[0].Share != nil || !bytes.Equal(ready.Keys[0].Key.Public, s.keys[0][0].Key.Public) || len(ready.Keys[0].Origins) != 4 {
		t.Errorf("an observer that starts late has keys %+v", ready.Keys)
	}
}

// TestStateDigestCoversTheKeyGeneration: nodes that disagree about it disagree about the commit.
func TestStateDigestCoversTheKeyGeneration(t *testing.T) {
	s := newSealingCluster(t, 4, 4)
	s.run(200 * time.Millisecond)
	digests := make(map[crypto.Digest]string)
	for name, change := range map[string]func(*Engine){
		"as the others": func(*Engine) {},
		"with a deal": func(e *Engine) {
			m := keygen.NewMember(2, s.kem[2]).Messages(e.sealing.keygen)[0]
			if err := e.sealing.keygen.Apply(99, 2, m); err != nil {
				t.Fatal(err)
			}
		},
		"without sealing": func(e *Engine) { e.sealing, e.carried = nil, nil },
	} {
		cfg := Config{Committee: s.committee, Registry: s.registry, Self: Observer}
		s.adapt(&cfg)
		e, err := NewEngine(cfg, Restored{})
		if err != nil {
			t.Fatal(err)
		}
		change(e)
		for _, b := range s.nodes[0].disk {
			e.Step(BlockReceived{From: 0, Block: b})
		}
		commits := e.Ready().Commits
		if len(commits) == 0 {
			t.Fatal("no commits")
		}
		if same := digests[commits[0].Digest]; same != "" {
			t.Errorf("%q and %q have one digest", name, same)
		}
		digests[commits[0].Digest] = name
		if name == "as the others" && commits[0].Digest != s.nodes[0].commits[0].Digest {
			t.Error("an observer has another digest")
		}
	}
}
