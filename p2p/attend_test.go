package p2p

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/dunlin-network/dunlin/ordering"
)

// TestAPeerThatEndsEachStreamIsPaced: each new push stream costs events, a log line and the engine's
// greetings. A peer that ends them at once gets few.
func TestAPeerThatEndsEachStreamIsPaced(t *testing.T) {
	c := committee(t, 4)
	pause := 200 * time.Millisecond
	a := start(t, c, 0, limited(func(l *Limits) { l.RedialMin, l.RedialMax = pause, pause }))
	began := time.Now()
	b := start(t, c, 1, knows(a))
	b.host.SetStreamHandler(b.names.push, func(s network.Stream) { _ = s.Reset() })
	const times = 12
	eventually(t, "streams ended", func() bool {
		return a.seen(func(e ordering.Event) bool { return e == ordering.Event(ordering.PeerDisconnected{Peer: 1}) }) >= times
	})
	// Some come without a pause while the two settle on one connection.
	if took := time.Since(began); took < times/2*pause {
		t.Errorf("%d streams ended within %v", times, took)
	}
}
