// Package freeport finds ports for processes that are started later, and perhaps again: networks of one machine and
// tests. Several such networks run beside each other, each started by a process of its own (dunlin devnet, the tests
// of a package), so it is not enough that nobody listens on a port now: somebody else may have chosen it too, or its
// node may be down for a moment. A process therefore claims a whole block of ports, by listening on the
// first of them for as long as it lives, and gives out the others one by one.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports lie below those that systems give to outgoing connections (from 32768 on Linux, from 49152 elsewhere).
// One of those could be taken by a connection while its node is not running.
const (
	firstPort = 20000
	lastPort  = 32000 // not included
	blockSize = 64    // ports; a network of 20 nodes takes 40
	maxBlocks = 32    // that one process claims; what it gave out in the first is then given out again
	tries     = 1000  // of ports and of blocks; chances that all are taken are none
)

// claim is what this process has of the ports of a host.
type claim struct {
	guards []net.Listener // one per block, on its first port; never closed
	blocks []int          // first ports
	given  int            // ports that were given out or passed over
}

var (
	mu     sync.Mutex // guards claims
	claims = make(map[string]*claim)
)

// Listen listens on a port of a host's address that nobody uses, that no outgoing connection will, and that no
// other process that asks this function will be given while this one lives. Close it before the port is
// used. Safe for concurrent use.
func Listen(host string) (net.Listener, error) {
	mu.Lock()
	defer mu.Unlock()
	c := claims[host]
	if c == nil {
		c = &claim{}
		claims[host] = c
	}
	var err error
	for range tries {
		var port int
		if port, err = c.next(host); err != nil {
			break
		}
		var l net.Listener
		if l, err = listen(host, port); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("find a free port from %d to %d: %w", firstPort, lastPort, err)
}

// next is a port of this process, of a new block if those it has are used up.
func (c *claim) next(host string) (int, error) {
	const each = blockSize - 1
	if c.given == len(c.blocks)*each && len(c.blocks) < maxBlocks {
		if err := c.more(host); err != nil {
			return 0, err
		}
	}
	at := c.given % (len(c.blocks) * each)
	c.given++
	return c.blocks[at/each] + 1 + at%each, nil
}

// more claims one more block.
func (c *claim) more(host string) error {
	var err error
	for range tries {
		first := firstPort + blockSize*rand.IntN((lastPort-firstPort)/blockSize)
		var guard net.Listener
		if guard, err = listen(host, first); err == nil {
			c.guards, c.blocks = append(c.guards, guard), append(c.blocks, first)
			return nil
		}
	}
	return err
}

func listen(host string, port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
}
