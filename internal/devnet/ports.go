package devnet

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Where free ports are looked for: below those that systems give to outgoing connections (from 32768 on
// Linux, from 49152 elsewhere). One of those could be taken by a connection while its node is not running.
const (
	firstFreePort = 20000
	lastFreePort  = 32000
	portTries     = 1000 // chances that all are taken are none
)

// ListenFree listens on a port of a loopback address that nobody uses, and that no outgoing connection
// will. Close it before the port is used.
func ListenFree(host string) (net.Listener, error) {
	var err error
	for range portTries {
		port := firstFreePort + rand.IntN(lastFreePort-firstFreePort)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port))); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("find a free port from %d to %d: %w", firstFreePort, lastFreePort, err)
}

// listenOn listens on a port, 0 for a free one.
func listenOn(host string, port int) (net.Listener, error) {
	if port == 0 {
		return ListenFree(host)
	}
	return net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
}
