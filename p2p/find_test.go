package p2p

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"testing"
	"time"

	dhtpb "github.com/libp2p/go-libp2p-kad-dht/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/proto"
)

// searching are short pauses between searches.
func searching() option {
	return limited(func(l *Limits) {
		l.LookupMin, l.LookupMax, l.MingleEvery = 100*time.Millisecond, 500*time.Millisecond, 100*time.Millisecond
	})
}

// An observer that knows one observer finds all validators and the other observers; validators that know
// only that one find each other.
func TestOneAddressIsEnough(t *testing.T) {
	c := committee(t, 4)
	bootstrap := start(t, c, 10, searching())
	var nodes []*node
	for i := range c.Size() {
		nodes = append(nodes, start(t, c, i, searching(), knows(bootstrap)))
	}
	other := start(t, c, 11, searching(), knows(bootstrap))
	newcomer := start(t, c, 12, searching(), knows(bootstrap))
	for _, n := range nodes {
		newcomer.waitConnected(t, n)
		for _, o := range nodes {
			if o != n {
				n.waitConnected(t, o)
			}
		}
	}
	newcomer.waitConnected(t, other)
}

// A validator that comes back at another port, where it is configured nowhere, is found again; what is
// configured is tried all the same.
func TestMovedValidatorIsFound(t *testing.T) {
	c := committee(t, 4)
	var nodes []*node
	for i := range c.Size() {
		nodes = append(nodes, start(t, c, i, searching(), knows(nodes...)))
	}
	mover := nodes[0]
	nodes[3].waitConnected(t, mover)
	old := mover.Addrs()
	mover.stop()
	moved := start(t, c, 0, searching(), knows(nodes[1])) // it dials one of them, which the others ask
	if old[0].Equal(moved.Addrs()[0]) {
		t.Fatal("it has not moved")
	}
	for _, n := range nodes[1:] {
		n.waitConnected(t, moved)
		if got := n.whereabouts(n.table.find(moved.ID())).Addrs; len(got) == 0 || n != nodes[1] && !ma.Contains(got, old[0]) {
			t.Errorf("node %d dials %v, want also %v, as configured", n.index, got, old[0])
		}
	}
}

// liar answers every request of the DHT with false addresses of whoever is looked for.
func liar(t *testing.T, n *node, addresses int) {
	t.Helper()
	n.host.SetStreamHandler(protocol.ID(string(n.names.find)+"/kad/1.0.0"), func(s network.Stream) {
		defer s.Close()
		for {
			raw, err := readRequest(s)
			if err != nil {
				return
			}
			var request dhtpb.Message
			if err := proto.Unmarshal(raw, &request); err != nil {
				return
			}
			answer := dhtpb.NewMessage(request.GetType(), nil, 0)
			lie := &dhtpb.Message_Peer{Id: request.GetKey()}
			for i := range addresses {
				lie.Addrs = append(lie.Addrs, ma.StringCast(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", 20000+i)).Bytes())
			}
			answer.CloserPeers = append(answer.CloserPeers, lie)
			out, err := proto.Marshal(answer)
			if err != nil {
				return
			}
			if _, err := s.Write(append(binary.AppendUvarint(nil, uint64(len(out))), out...)); err != nil {
				return
			}
		}
	})
}

func readRequest(r io.Reader) ([]byte, error) {
	var b [1]byte
	var length uint64
	for shift := 0; ; shift += 7 {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return nil, err
		}
		length |= uint64(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			break
		}
	}
	raw := make([]byte, length)
	_, err := io.ReadFull(r, raw)
	return raw, err
}

// False addresses keep nobody from a validator whose address is configured, nor from one that is found
// through others; they are dialled in small numbers.
func TestLiesOfTheDHT(t *testing.T) {
	c := committee(t, 4)
	first := start(t, c, 10, searching())
	second := start(t, c, 11, searching())
	liar(t, first, 2000)
	var nodes []*node
	for i := range c.Size() {
		nodes = append(nodes, start(t, c, i, searching(), knows(append(nodes, first, second)...)))
	}
	configured, sought := nodes[0], nodes[1]
	port := configured.Addrs()[0].String()
	configured.stop()
	victim := start(t, c, 12, searching(), knows(first, second, configured))
	victim.waitConnected(t, sought)
	r := victim.table.find(configured.ID())
	eventually(t, "the lies are heard", func() bool { return r.hints.Load() != nil })
	if got := len(victim.whereabouts(r).Addrs); got > 1+maxHints {
		t.Errorf("%d addresses are dialled, want %d at most", got, 1+maxHints)
	}
	back := start(t, c, 0, searching(), listen(port))
	victim.waitConnected(t, back)
}

// A peer that asks too much or too large is cut off, and others are answered.
func TestRequestsOfTheDHTAreLimited(t *testing.T) {
	c := committee(t, 4)
	asked := start(t, c, 0)
	greedy := start(t, c, 10, knows(asked))
	greedy.waitConnected(t, asked)
	eventually(t, "known to the asked", func() bool { _, ok := asked.numberOf(greedy); return ok })
	request, err := proto.Marshal(dhtpb.NewMessage(dhtpb.Message_FIND_NODE, []byte(asked.ID()), 0))
	if err != nil {
		t.Fatal(err)
	}
	request = append(binary.AppendUvarint(nil, uint64(len(request))), request...)
	answered := 0
	for range 4 { // streams
		s, err := greedy.host.NewStream(context.Background(), asked.ID(), protocol.ID(string(asked.names.find)+"/kad/1.0.0"))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 * lookupBurst {
			if _, err := s.Write(request); err != nil {
				break
			}
			if _, err := readRequest(s); err != nil {
				break
			}
			answered++
		}
		_ = s.Reset()
	}
	if answered == 0 || answered >= 2*lookupBurst+lookupBurst/2 {
		t.Errorf("%d requests were answered at once, want about %d", answered, lookupBurst)
	}
}

func TestLargeRequestOfTheDHT(t *testing.T) {
	rate := newBucket(1, 10)
	for name, test := range map[string]struct {
		bytes []byte
		holds bool
	}{
		"two small ones": {append(append([]byte{3}, "abc"...), append([]byte{0x80, 0x01}, make([]byte, 128)...)...), true},
		"a large one":    {binary.AppendUvarint(nil, maxLookupBytes+1), false},
		"no end":         {bytes.Repeat([]byte{0x80}, 12), false},
	} {
		for _, size := range []int{1, 2, 1000} {
			s := &requests{Stream: &readStream{in: test.bytes}, rate: rate}
			var err error
			for err == nil {
				_, err = s.Read(make([]byte, size))
			}
			if (err == io.EOF) != test.holds {
				t.Errorf("%s in reads of %d: %v", name, size, err)
			}
		}
	}
}

type readStream struct {
	network.Stream
	in []byte
}

func (r *readStream) Read(p []byte) (int, error) {
	if len(r.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.in)
	r.in = r.in[n:]
	return n, nil
}

func TestSomeHints(t *testing.T) {
	var many []ma.Multiaddr
	for i := range 100 {
		many = append(many, ma.StringCast(fmt.Sprintf("/ip4/10.0.0.%d/tcp/1", i)))
	}
	useless := []ma.Multiaddr{ma.StringCast("/ip4/0.0.0.0/tcp/1"), ma.StringCast("/ip4/224.0.0.1/udp/1/quic-v1"), ma.StringCast("/dnsaddr/example.org"), ma.StringCast("/p2p-circuit")}
	if got := someHints(append(useless, many...)); len(got) != maxHints {
		t.Errorf("%d hints, want %d", len(got), maxHints)
	}
	named := ma.StringCast("/dns4/example.org/tcp/1")
	if got := someHints(append(useless, named)); len(got) != 1 || !got[0].Equal(named) {
		t.Errorf("%v, want %v alone", got, named)
	}
	if got := someHints(useless); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// What the connection manager must never take.
func TestCommitteeIsProtected(t *testing.T) {
	c := committee(t, 4)
	observer := start(t, c, 10)
	member := start(t, c, 1, knows(observer))
	for a := range c.Size() {
		id, err := PeerID(key(a).Public())
		if err != nil {
			t.Fatal(err)
		}
		if a != 1 && !member.host.ConnManager().IsProtected(id, "") {
			t.Errorf("validator %d is not protected at another", a)
		}
	}
	if !member.host.ConnManager().IsProtected(observer.ID(), "") {
		t.Error("a configured peer is not protected")
	}
	stranger := start(t, c, 11, knows(member))
	stranger.waitConnected(t, member)
	if observer.host.ConnManager().IsProtected(peer.ID("nobody"), "") {
		t.Error("nobody is protected")
	}
}
