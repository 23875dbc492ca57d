package p2p

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

func TestProbe(t *testing.T) {
	c := committee(t, 4)
	there, gone, other := start(t, c, 0), start(t, c, 1), start(t, c, 2)
	nobody := gone.Addrs()
	gone.stop()
	reached, err := Probe(t.Context(), []peer.AddrInfo{
		{ID: there.ID(), Addrs: there.Addrs()}, {ID: gone.ID(), Addrs: nobody}, {ID: gone.ID(), Addrs: other.Addrs()},
	}, patience)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false, false} { // the last is somebody else's address
		if (reached[i].Err == nil) != want {
			t.Errorf("peer %d: %v, want reached: %v", i, reached[i].Err, want)
		}
	}
}
