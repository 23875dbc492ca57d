package dag

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestItemOutlines: the outline of a bundle or sealed item gives the item's id, its namespaces and the digests of
// its payloads, and is small.
func TestItemOutlines(t *testing.T) {
	h := NewItemHasher(testNetwork)
	rapid.Check(t, func(t *rapid.T) {
		item := drawItem(t)
		if item.Kind != KindBundle && item.Kind != KindSealed {
			t.Skip("no outline")
		}
		raw := item.Outline()
		o, id, err := h.DecodeOutline(raw)
		if err != nil || id != item.ID || len(raw) > MaxItemOutline || o.Kind != item.Kind || o.Signed != item.Signed || o.ValidUntil != item.ValidUntil {
			t.Fatalf("outline %+v of %d bytes with id %v, error %v; want %v", o, len(raw), id, err, item.ID)
		}
		want := item.LegNamespaces(nil)
		got := o.Namespaces
		for _, l := range o.Legs {
			got = append(got, l.Namespace)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("namespaces %v, want %v", got, want)
		}
		if item.Kind == KindBundle {
			for i, l := range item.Bundle().Legs {
				if int(o.Legs[i].Size) != len(l.Payload) || o.Legs[i].Digest != PayloadDigest(l.Payload) {
					t.Fatalf("leg %d: %+v", i, o.Legs[i])
				}
			}
		}
	})
}

// TestItemOutlinesAreBound: a changed outline is refused, or has another id.
func TestItemOutlinesAreBound(t *testing.T) {
	h := NewItemHasher(testNetwork)
	bundle, err := (&Bundle{ModeInclusion, 77, testSender, testSignature, testLegs}).Encode(h)
	if err != nil {
		t.Fatal(err)
	}
	raw := bundle.Outline()
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 1
		if _, id, err := h.DecodeOutline(bad); err == nil && id == bundle.ID {
			t.Errorf("byte %d changed: same id", i)
		}
	}
	for n := range raw {
		if _, _, err := h.DecodeOutline(raw[:n]); !errors.Is(err, ErrItem) {
			t.Errorf("first %d bytes: %v", n, err)
		}
	}
	if _, _, err := h.DecodeOutline(append(bytes.Clone(raw), 0)); !errors.Is(err, ErrItem) {
		t.Errorf("a byte too many: %v", err)
	}
	if _, _, err := h.DecodeOutline(make([]byte, MaxItemOutline+1)); !errors.Is(err, ErrItem) {
		t.Errorf("beyond the limit: %v", err)
	}
}

// FuzzItemOutline: what decodes names its own bytes by its id, and nothing panics.
func FuzzItemOutline(f *testing.F) {
	h := NewItemHasher(testNetwork)
	bundle, err := (&Bundle{ModeInclusion, 77, nil, nil, testLegs}).Encode(h)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bundle.Outline())
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, _, err := h.DecodeOutline(raw)
		if (err == nil) != (len(o.Legs)+len(o.Namespaces) > 0) {
			t.Errorf("%d legs and %d namespaces with error %v", len(o.Legs), len(o.Namespaces), err)
		}
	})
}
