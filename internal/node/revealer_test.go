package node

import (
	"crypto/rand"
	"log/slog"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/store"
)

// alone is the only validator of its network, whose steps the test takes one by one.
type alone struct {
	*node
	t        *testing.T
	engine   *ordering.Engine
	now      time.Duration
	key      *seal.Key       // once there is one
	sealedIn dag.CommitIndex // the first commit with a sealed item
	ticket   uint64
}

func newAlone(t *testing.T) *alone {
	t.Helper()
	kem, err := crypto.GenerateKEMKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	base := dagtest.Committee(1)
	validator := base.Validator(0)
	validator.KEM = kem.Public()
	n := &node{log: slog.New(slog.DiscardHandler)}
	if n.committee, err = dag.NewCommittee(base.Network(), base.Epoch(), []dag.Validator{validator}); err != nil {
		t.Fatal(err)
	}
	registry, err := dag.NewRegistry([]dag.NamespaceRule{{ID: openNamespace, Name: "open", Scheme: dag.SchemeOpen}})
	if err != nil {
		t.Fatal(err)
	}
	options := store.Options{Dir: t.TempDir(), Committee: n.committee}
	if err := store.Create(options); err != nil {
		t.Fatal(err)
	}
	if n.store, _, err = store.Open(options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.store.Close(); err != nil {
			t.Error(err)
		}
	})
	engine, err := ordering.NewEngine(ordering.Config{
		Committee: n.committee, Registry: registry, Signer: dagtest.Key(0), Sealing: ordering.WithSealing, KEM: kem,
	}, ordering.Restored{})
	if err != nil {
		t.Fatal(err)
	}
	n.loop, n.revealer = newLoop(engine, nil, time.Now(), nil), newRevealer(n)
	return &alone{node: n, t: t, engine: engine}
}

// ready does the loop's part.
func (a *alone) ready() ordering.Ready {
	a.now += time.Second
	a.engine.Step(ordering.Tick{Now: a.now, Wall: uint64(a.now.Milliseconds())})
	ready := a.engine.Ready()
	a.revealer.hand(&ready)
	return ready
}

// step does what the loop and the writer do of one Ready; the revealer does not get to run.
func (a *alone) step() {
	a.t.Helper()
	ready := a.ready()
	err := a.write(&ready)
	for i := range ready.Keys {
		if err == nil {
			a.key, err = seal.NewKey(a.committee.Network(), ready.Keys[i].Key.ID, ready.Keys[i].Key.Public[:])
		}
	}
	if err != nil {
		a.t.Fatal(err)
	}
	for _, c := range ready.Commits {
		for _, at := range c.Accepted {
			if item := c.Bodies[at.Block].Block().Items[at.Item]; item.Kind == dag.KindSealed && a.sealedIn == 0 {
				a.sealedIn = c.Index
			}
		}
	}
}

// submit seals something and gives it to the engine.
func (a *alone) submit() {
	a.t.Helper()
	content, err := dag.EncodeContent([]dag.Leg{{Namespace: openNamespace, Payload: []byte("content")}})
	if err != nil {
		a.t.Fatal(err)
	}
	sealed := dag.Sealed{ValidUntil: 1000, Namespaces: []dag.Namespace{openNamespace}}
	if sealed.Ciphertext, err = a.key.Encrypt(rand.Reader, sealed.Associated(), content); err != nil {
		a.t.Fatal(err)
	}
	item, err := sealed.Encode(dag.NewItemHasher(a.committee.Network()))
	if err != nil {
		a.t.Fatal(err)
	}
	a.ticket++
	a.engine.Step(ordering.Submitted{Ticket: a.ticket, Items: []dag.Item{item}})
}

// write does the writer's part.
func (a *alone) write(ready *ordering.Ready) error {
	if err := a.store.Append(ready.Persist); err != nil {
		return err
	}
	if err := a.store.Sync(); err != nil {
		return err
	}
	return a.store.PutCommits(ready.Commits)
}

// reveal lets the revealer do all that waits for it.
func (a *alone) reveal() {
	a.t.Helper()
	for len(a.revealer.inbox) > 0 {
		if err := a.revealer.step(<-a.revealer.inbox, false); err != nil {
			a.t.Fatal(err)
		}
	}
}

// A busy revealer finds commits in the store whose key is still behind others in its inbox. It must not take
// them for commits without a key: what it says of them is final.
func TestRevealerBehindTheKey(t *testing.T) {
	a := newAlone(t)
	for range 100 {
		if a.step(); a.key != nil {
			break
		}
	}
	a.submit()
	for range 100 {
		if a.step(); a.sealedIn != 0 {
			break
		}
	}
	if len(a.revealer.inbox) < 3 || a.store.Head().Index < a.sealedIn {
		t.Fatalf("%d Readys wait, and the store is at commit %d of %d", len(a.revealer.inbox), a.store.Head().Index, a.sealedIn)
	}
	a.reveal()
	if r, found, err := a.store.Reveal(a.sealedIn); found || err != nil {
		t.Fatalf("revealed before there was a share: %+v %v", r, err)
	}
	if len(a.revealer.ahead) > 0 {
		t.Errorf("keeps %d commits whose turn is over", len(a.revealer.ahead))
	}
	made, offered := (<-a.loop.inbox).(ordering.SharesMade)
	if !offered || made.Shares[0].Commit != a.sealedIn {
		t.Errorf("offers %+v, want the share for commit %d", made, a.sealedIn)
	}
}

// The revealer has a commit before the writer, and is done with one that holds nothing sealed at once. Readers
// that were told of it then would look for it in vain, or pass over it.
func TestNothingIsRevealedBeforeItIsWritten(t *testing.T) {
	a := newAlone(t)
	for range 30 {
		ready := a.ready()
		a.reveal()
		if heads := newHistory(a.store, a.committee.Epoch()).Heads(); heads.Revealed > heads.Committed {
			t.Fatalf("revealed up to %d, committed up to %d", heads.Revealed, heads.Committed)
		}
		if err := a.write(&ready); err != nil {
			t.Fatal(err)
		}
		if revealed, head := a.store.Revealed(), a.store.Head().Index; revealed != head {
			t.Fatalf("revealed up to %d, committed up to %d", revealed, head)
		}
	}
	if a.store.Head().Index == 0 {
		t.Error("no commit")
	}
}

// Whoever submits asks for the key, and is not held up by what the revealer does meanwhile.
func TestKeysAreKnownToABusyNode(t *testing.T) {
	a := newAlone(t)
	for range 100 {
		if a.step(); a.key != nil {
			break
		}
	}
	a.reveal()
	a.revealer.mu.Lock() // a step goes on
	defer a.revealer.mu.Unlock()
	keys := a.SealingKeys()
	if len(keys) != 1 || keys[0].ID != a.key.ID() {
		t.Fatalf("keys %+v", keys)
	}
	if origins, err := a.SealingOrigins(keys[0].ID); err != nil || len(origins) != 1 {
		t.Errorf("origins %v: %v", origins, err)
	}
}
