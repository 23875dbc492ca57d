package p2p

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
)

// An observer offers transactions to one validator, and learns what became of each.
func TestOffer(t *testing.T) {
	c := committee(t, 4)
	nodes := cluster(t, c, admit)
	observer := start(t, c, 10, knows(nodes...))
	observer.waitConnected(t, nodes[2])
	raws := [][]byte{[]byte("good one"), []byte("late"), []byte("bad"), []byte("good two")}
	got, err := observer.Offer(t.Context(), 2, raws)
	if err != nil || !slices.Equal(got, []Verdict{Taken, NotNow, Refused, Taken}) {
		t.Fatalf("verdicts %v, error %v", got, err)
	}
	eventually(t, "the validator has both", func() bool { return nodes[2].hasItem("good one") && nodes[2].hasItem("good two") })
	if nodes[1].hasItem("good one") || nodes[2].hasItem("bad") || nodes[2].hasItem("late") {
		t.Error("an item went elsewhere, or one that was not admitted was delivered")
	}
	if s := nodes[2].Stats(); s.OffersTaken != 2 || s.Faults != 0 {
		t.Errorf("stats %+v, want 2 taken and no fault", s)
	}
	nodes[2].stop()
	eventually(t, "an offer to a validator that is gone fails", func() bool {
		_, err := observer.Offer(t.Context(), 2, raws[:1])
		return err != nil
	})
}

// What breaks the limits of an offer does not leave the node.
func TestOfferLimits(t *testing.T) {
	c := committee(t, 4)
	validator := start(t, c, 0, admit)
	observer := start(t, c, 10, knows(validator))
	observer.waitConnected(t, validator)
	large := make([]byte, maxGossipItem)
	for name, raws := range map[string][][]byte{
		"nothing":    nil,
		"empty item": {{}},
		"large item": {make([]byte, maxGossipItem+1)},
		"many items": slices.Repeat([][]byte{{1}}, MaxOfferItems+1),
		"many bytes": slices.Repeat([][]byte{large}, MaxOfferBytes/maxGossipItem+1),
	} {
		if _, err := observer.Offer(t.Context(), 0, raws); err == nil {
			t.Errorf("%s was offered", name)
		}
	}
	if s := validator.Stats(); s.OffersTaken+s.OffersRefused+s.Faults != 0 {
		t.Errorf("stats %+v, want nothing", s)
	}
	if _, err := observer.Offer(t.Context(), 3, [][]byte{[]byte("good")}); err == nil {
		t.Error("an offer to a validator that is away did not fail")
	}
}

// Whoever offers more than its rate is told NotNow, and what is refused counts more.
func TestOfferRate(t *testing.T) {
	c := committee(t, 4)
	validator := start(t, c, 0, admit)
	observer := start(t, c, 10, knows(validator))
	observer.waitConnected(t, validator)
	refused := 0
	for range 10 {
		verdicts, err := observer.Offer(t.Context(), 0, slices.Repeat([][]byte{[]byte("bad")}, MaxOfferItems))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range verdicts {
			if v == Refused {
				refused++
			}
		}
		if slices.Contains(verdicts, NotNow) {
			t.Logf("%d refused before it was over its rate", refused)
			return
		}
	}
	t.Errorf("%d items were checked and refused one after the other", refused)
}

// What is no offer costs its sender the connection, and the validator nothing.
func TestMalformedOffers(t *testing.T) {
	c := committee(t, 4)
	for name, raw := range map[string][]byte{
		"nothing":     {},
		"other frame": encoded(t, frame{kindPing, make([]byte, pingSize)}),
		"huge item":   {0xff, 0, 0, 0, byte(kindItem)},
		"many items":  bytes.Repeat(encoded(t, frame{kindItem, []byte("good")}), MaxOfferItems+1),
	} {
		t.Run(name, func(t *testing.T) {
			validator := start(t, c, 0, admit)
			observer := start(t, c, 10, knows(validator))
			observer.waitConnected(t, validator)
			s, err := observer.host.NewStream(network.WithNoDial(context.Background(), "test"), validator.ID(), observer.names.offer)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = s.Write(raw) // the validator may end it before all is written
			_ = s.CloseWrite()
			eventually(t, fmt.Sprintf("%s is a fault", name), func() bool { return validator.Stats().Faults > 0 })
			_ = s.Reset()
		})
	}
}
