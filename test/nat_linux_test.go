package test

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// nat translates between a private network of one machine and the internet of a test, as a router at home does:
// ports are kept, and from outside comes in only what answers something that went out from the same port.
type nat struct {
	private, public [4]byte
	inside, outside *os.File // TUN devices

	mu   sync.Mutex
	open map[flow]bool
	work sync.WaitGroup
}

// flow is one port of the machine and who was spoken to from it.
type flow struct {
	protocol   byte
	port       uint16
	remote     [4]byte
	remotePort uint16
}

// newNAT makes a namespace for one machine behind a NAT whose public address is routed to from the namespace
// internet. It gives the machine's namespace.
func newNAT(t *testing.T, n *ethernetSwitch, internet string, number int) string {
	t.Helper()
	name := fmt.Sprintf("%s-home%d", n.name, number)
	n.ip(t, "netns add %s", name)
	t.Cleanup(func() { deleteNamespace(t, name) })
	device := fmt.Sprintf("nat%d", number)
	g := &nat{
		private: [4]byte{192, 168, byte(number), 2}, public: [4]byte{11, 77, 1, byte(number)},
		inside: openTUN(t, name, device), outside: openTUN(t, internet, device), open: make(map[flow]bool),
	}
	n.ip(t, "-n %s address add 192.168.%d.2/24 dev %s", name, number, device)
	n.ip(t, "-n %s link set %s up", name, device)
	n.ip(t, "-n %s link set lo up", name)
	n.ip(t, "-n %s route add default dev %s", name, device)
	n.ip(t, "-n %s link set %s up", internet, device)
	n.ip(t, "-n %s route add 11.77.1.%d/32 dev %s", internet, number, device)
	g.work.Go(func() { pass(g.inside, g.outside, g.out) })
	g.work.Go(func() { pass(g.outside, g.inside, g.in) })
	t.Cleanup(func() {
		_ = g.inside.Close()
		_ = g.outside.Close()
		g.work.Wait()
	})
	return name
}

// openTUN makes a TUN device inside a namespace.
func openTUN(t *testing.T, namespace, device string) *os.File {
	t.Helper()
	var fd int
	err := inNamespace(namespace, func() (err error) {
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err != nil {
			return err
		}
		request, err := unix.NewIfreq(device)
		if err != nil {
			return err
		}
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		return unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	})
	if err != nil {
		t.Skipf("SKIPPED: observers behind NATs that meet: no TUN devices here: %v", err)
	}
	return os.NewFile(uintptr(fd), device)
}

// pass moves packets until a device is closed.
func pass(from, to *os.File, translate func(packet []byte) bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if p := buffer[:n]; translate(p) {
			_, _ = to.Write(p) // a packet that is lost is sent again
		}
	}
}

const (
	sourceAt, destinationAt = 12, 16 // in the IP header
	protocolTCP             = 6
	protocolUDP             = 17
)

// parse gives the flow of a packet as its sender sees it; false for what is neither TCP nor UDP.
func parse(p []byte) (f flow, payload []byte, ok bool) {
	if len(p) < 28 || p[0]>>4 != 4 || (p[9] != protocolTCP && p[9] != protocolUDP) {
		return f, nil, false
	}
	payload = p[int(p[0]&15)*4:]
	f = flow{protocol: p[9], port: binary.BigEndian.Uint16(payload), remote: [4]byte(p[destinationAt:]), remotePort: binary.BigEndian.Uint16(payload[2:])}
	return f, payload, true
}

// out gives a packet from the machine the public address.
func (g *nat) out(p []byte) bool {
	f, payload, ok := parse(p)
	if !ok || [4]byte(p[sourceAt:]) != g.private {
		return false
	}
	g.mu.Lock()
	g.open[f] = true
	g.mu.Unlock()
	rewrite(p, payload, sourceAt, g.public)
	return true
}

// in lets a packet to the public address through to the machine if it was waited for.
func (g *nat) in(p []byte) bool {
	f, payload, ok := parse(p)
	if !ok || f.remote != g.public {
		return false
	}
	answered := flow{f.protocol, f.remotePort, [4]byte(p[sourceAt:]), f.port}
	g.mu.Lock()
	waited := g.open[answered]
	g.mu.Unlock()
	if waited {
		rewrite(p, payload, destinationAt, g.private)
	}
	return waited
}

// rewrite changes an address and the checksums over it.
func rewrite(p, payload []byte, at int, address [4]byte) {
	sum, offset := p[10:12], 16
	if p[9] == protocolUDP {
		offset = 6
	}
	for i := 0; i < 4; i += 2 {
		before, after := binary.BigEndian.Uint16(p[at+i:]), binary.BigEndian.Uint16(address[i:])
		adjust(sum, before, after)
		if inner := payload[offset : offset+2]; p[9] == protocolTCP || binary.BigEndian.Uint16(inner) != 0 {
			adjust(inner, before, after)
		}
	}
	copy(p[at:], address[:])
}

// adjust is RFC 1624, equation 3.
func adjust(sum []byte, before, after uint16) {
	s := uint32(^binary.BigEndian.Uint16(sum)) + uint32(^before) + uint32(after)
	s = s&0xffff + s>>16
	s = s&0xffff + s>>16
	binary.BigEndian.PutUint16(sum, ^uint16(s))
}
