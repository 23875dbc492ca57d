package ordering

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/dag/dagtest"
	"github.com/dunlin-network/dunlin/dag/picture"
)

// twoLegs is a bundle of two namespaces, open or sealed, and what can be wrong with it.
type twoLegs struct {
	hasher *dag.ItemHasher
	sealed bool
	made   byte
}

func (w *twoLegs) item(t *testing.T, until dag.CommitIndex, second dag.Namespace) dag.Item {
	t.Helper()
	w.made++
	var item dag.Item
	var err error
	if w.sealed {
		s := dag.Sealed{ValidUntil: until, Namespaces: []dag.Namespace{1, second}, Ciphertext: make([]byte, seal.SealedSize(1))}
		s.Ciphertext[0] = w.made
		item, err = s.Encode(w.hasher)
	} else {
		b := dag.Bundle{Mode: dag.ModeInclusion, ValidUntil: until, Legs: []dag.Leg{{Namespace: 1, Payload: []byte{w.made}}, {Namespace: second, Payload: []byte("b")}}}
		item, err = b.Encode(w.hasher)
	}
	if err != nil {
		t.Fatal(err)
	}
	return item
}

// spoilt is bytes of such an item that are none: cut short, or with a leg or ciphertext over the limit.
func (w *twoLegs) spoilt(t *testing.T, size int) dag.Item {
	raw := slices.Clone(w.item(t, 1000, 2).Raw)
	switch {
	case size == 0:
		raw = raw[:len(raw)-1]
	case w.sealed:
		raw = append(raw, make([]byte, size)...)
	default:
		raw[11]++ // number of legs
		raw = binary.BigEndian.AppendUint64(raw, 1)
		raw = binary.BigEndian.AppendUint32(raw, uint32(size))
		raw = append(raw, make([]byte, size)...)
	}
	if w.sealed && size == 0 {
		raw = raw[:len(raw)-seal.SealedSize(1)+1]
	}
	if _, err := w.hasher.Decode(raw); err == nil {
		t.Fatal("spoilt bytes are an item")
	}
	return dag.Item{Kind: dag.KindMalformed, Raw: raw}
}

// TestLegsTogetherOrNotAtAll: whatever filter one leg falls to, no namespace gets any leg; and of a bundle that passes all
// get theirs, at one position, whose proof shows them.
func TestLegsTogetherOrNotAtAll(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		name := "open"
		if sealed {
			name = "sealed"
		}
		t.Run(name, func(t *testing.T) {
			network := dagtest.Committee(4).Network()
			w := &twoLegs{hasher: dag.NewItemHasher(network), sealed: sealed}
			good, twice := w.item(t, 1000, 2), w.item(t, 1000, 2)
			bad := map[DropReason]dag.Item{
				DropExpired: w.item(t, 2, 2), DropTooFarAhead: w.item(t, 2*dag.ValidityWindow, 2), DropUnknownNamespace: w.item(t, 1000, 99),
			}
			blocks := map[dag.Round][]dag.Item{
				2: {twice},
				6: {bad[DropExpired], good, bad[DropTooFarAhead], bad[DropUnknownNamespace], twice, w.spoilt(t, 0), w.spoilt(t, dag.MaxTransactionBytes+seal.SealedSize(1)<<4)},
			}
			commits := commitItems(t, blocks)
			dropped := map[DropReason][]crypto.Digest{}
			for _, c := range commits {
				for _, d := range c.Dropped {
					dropped[d.Reason] = append(dropped[d.Reason], d.ID)
				}
			}
			for reason, item := range bad {
				if !slices.Equal(dropped[reason], []crypto.Digest{item.ID}) || len(placesOf(t, commits, item.ID)) != 0 {
					t.Errorf("%v: dropped %v, legs at %v", reason, dropped[reason], placesOf(t, commits, item.ID))
				}
			}
			if !slices.Equal(dropped[DropDuplicate], []crypto.Digest{twice.ID}) || len(dropped[DropMalformed]) != 2 {
				t.Errorf("dropped %v as duplicates and %d as malformed, want %v and 2", dropped[DropDuplicate], len(dropped[DropMalformed]), twice.ID)
			}
			for _, item := range []dag.Item{good, twice} {
				checkTogether(t, network, commits, &item)
			}
			for _, c := range commits {
				if int(c.Legs) != 2*int(c.Items) {
					t.Errorf("commit %d has %d legs of %d bundles of two", c.Index, c.Legs, c.Items)
				}
			}
		})
	}
}

// commitItems are the commits of a full DAG in which the first author's blocks hold items.
func commitItems(t *testing.T, blocks map[dag.Round][]dag.Item) []*Commit {
	t.Helper()
	p := dagtest.Random(rand.New(rand.NewPCG(1, 1)), dagtest.Shape{Authors: 4, Rounds: 14})
	s, err := dagtest.Sign(p, func(n picture.Name, b *dag.Block) {
		if n.Author == 0 {
			b.Items = blocks[n.Round]
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	registry, err := dag.NewRegistry([]dag.NamespaceRule{{ID: 1, Scheme: dag.SchemeOpen}, {ID: 2, Scheme: dag.SchemeOpen}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEngine(Config{Committee: s.Committee, Registry: registry, Self: Observer}, Restored{})
	if err != nil {
		t.Fatal(err)
	}
	o := &observer{t: t, engine: e}
	o.feed(s.Blocks, 1)
	return o.commits
}

// placesOf are the leaves of an item in the trees of all commits.
func placesOf(t *testing.T, commits []*Commit, id crypto.Digest) []NamespaceLeaf {
	t.Helper()
	var out []NamespaceLeaf
	for _, c := range commits {
		leaves, err := c.Leaves()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range leaves {
			if l.ID == id {
				out = append(out, l)
			}
		}
	}
	return out
}

// checkTogether: both legs stand at one position, each in its namespace, and the outline under the order root shows both.
func checkTogether(t *testing.T, network crypto.Digest, commits []*Commit, item *dag.Item) {
	t.Helper()
	places := placesOf(t, commits, item.ID)
	if len(places) != 2 || places[0].Index != places[1].Index || places[0].Namespace != 1 || places[1].Namespace != 2 || places[0].Leg != 0 || places[1].Leg != 1 {
		t.Fatalf("legs at %+v", places)
	}
	for _, c := range commits {
		ids := acceptedIDs(c.Accepted)
		at := slices.Index(ids, item.ID)
		if at < 0 {
			continue
		}
		o, id, err := dag.NewItemHasher(network).DecodeOutline(item.Outline())
		if err != nil || id != item.ID || len(o.Legs)+len(o.Namespaces) != 2 || !crypto.VerifyMerkle(c.OrderRoot, id, at, int(c.Items), crypto.MerkleProof(ids, at)) {
			t.Errorf("sibling proof in commit %d: %+v, %v", c.Index, o, err)
		}
		return
	}
	t.Error("no commit has the item")
}
