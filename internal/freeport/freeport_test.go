package freeport

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

const host = "127.0.0.1"

// TestPortsAreNobodys: they lie below those of outgoing connections, and one that was given out is not given out
// again, though nobody listens on it any more.
func TestPortsAreNobodys(t *testing.T) {
	seen := make(map[int]bool)
	for range 3 * blockSize {
		port := take(t)
		if port < firstPort || port >= lastPort || seen[port] {
			t.Errorf("port %d, or it was given out twice", port)
		}
		seen[port] = true
	}
}

// TestProcessesShareNothing: what one process was given, none of several others is, though nobody listens on it: they
// find its blocks claimed.
func TestProcessesShareNothing(t *testing.T) {
	const want = "DUNLIN_FREEPORT_TAKE"
	if count, err := strconv.Atoi(os.Getenv(want)); err == nil {
		for range count {
			_, _ = os.Stdout.WriteString("port " + strconv.Itoa(take(t)) + "\n")
		}
		return
	}
	take(t)
	mu.Lock()
	mine := claims[host].blocks
	mu.Unlock()
	blocks := (lastPort - firstPort) / blockSize
	for range 3 {
		other := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		other.Env = append(os.Environ(), want+"="+strconv.Itoa(blocks*blockSize/8))
		out, err := other.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		taken := 0
		for line := range bytes.Lines(out) {
			text, is := strings.CutPrefix(strings.TrimSpace(string(line)), "port ")
			if !is {
				continue
			}
			port, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			taken++
			for _, first := range mine {
				if port >= first && port < first+blockSize {
					t.Fatalf("another process was given port %d of the block from %d on", port, first)
				}
			}
		}
		if taken == 0 {
			t.Fatalf("the other process took nothing: %s", out)
		}
	}
}

// TestManyPorts: a process that asks for more than it may claim is given ports that it had before.
func TestManyPorts(t *testing.T) {
	for range maxBlocks*(blockSize-1) + 1 {
		take(t)
	}
	mu.Lock()
	defer mu.Unlock()
	if c := claims[host]; len(c.blocks) != maxBlocks || len(c.guards) != maxBlocks {
		t.Errorf("%d blocks claimed, %d guarded, limit %d", len(c.blocks), len(c.guards), maxBlocks)
	}
}

// take asks for a port and lets go of it.
func take(t *testing.T) int {
	t.Helper()
	l, err := Listen(host)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().(*net.TCPAddr).Port
}
