package gate

import (
	"net"
	"sync"
)

// Listener bounds how many connections one address has at a time; this machine's own are not counted. One too
// many is closed as it comes.
func Listener(l net.Listener, limit int) net.Listener {
	return &listener{Listener: l, limit: limit, held: map[string]int{}}
}

type listener struct {
	net.Listener
	limit int

	mu   sync.Mutex
	held map[string]int // never more entries than the port has connections
}

// Accept waits for a connection that is not one too many.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address, local := addressOf(c.RemoteAddr().String())
		if local {
			return c, nil
		}
		if l.take(address) {
			return &counted{Conn: c, release: func() { l.release(address) }}, nil
		}
		_ = c.Close() // there is nobody to tell
	}
}

func (l *listener) take(address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[address] >= l.limit {
		return false
	}
	l.held[address]++
	return true
}

func (l *listener) release(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[address]--; l.held[address] <= 0 {
		delete(l.held, address)
	}
}

// counted is a connection that is counted until it is closed.
type counted struct {
	net.Conn
	once    sync.Once
	release func()
}

// Close closes the connection.
func (c *counted) Close() error {
	c.once.Do(c.release)
	return c.Conn.Close()
}
