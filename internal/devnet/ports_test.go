package devnet

import (
	"net"
	"testing"
)

// TestFreePortsAreNobodys: they differ, and lie below those of outgoing connections.
func TestFreePortsAreNobodys(t *testing.T) {
	seen := make(map[int]bool)
	for range 100 {
		l, err := ListenFree("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		port := l.Addr().(*net.TCPAddr).Port
		if port < firstFreePort || port >= lastFreePort || seen[port] {
			t.Errorf("port %d, or it was given out twice", port)
		}
		seen[port] = true
	}
}
