package p2p

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/routing"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

const (
	// maxHints is how many addresses of one peer are taken from one answer of the DHT, and dialled beside
	// those that are configured.
	maxHints = 8
	// lookupsAtOnce is how many peers are looked for at a time; each look-up asks some twenty others.
	lookupsAtOnce = 3
	// lookupTime is how long one may take.
	lookupTime = 20 * time.Second
	// tableRefresh is how often an observer asks around, so that its table of the DHT stays fresh.
	tableRefresh = 10 * time.Minute
)

// finder looks up where peers listen in a Kademlia DHT of this network's own. Nothing is stored in it but
// what its members see of each other: records of values and providers are off. What it says is a hint: a
// connection proves who is at its other end.
type finder struct {
	dht   *dht.IpfsDHT
	slots chan struct{} // a token per look-up under way
}

// newFinder joins the DHT. A validator answers and asks only where it misses somebody; observers also ask
// around to know others like them.
func newFinder(n *Network) (*finder, error) {
	options := []dht.Option{
		dht.ProtocolPrefix(n.names.find), dht.DisableValues(), dht.DisableProviders(), dht.AddressFilter(someHints),
		dht.RoutingTableRefreshPeriod(tableRefresh), dht.RoutingTableRefreshQueryTimeout(lookupTime),
	}
	switch {
	case n.member:
		options = append(options, dht.Mode(dht.ModeServer), dht.DisableAutoRefresh())
	case n.cfg.Relay == RelayForOthers:
		options = append(options, dht.Mode(dht.ModeServer))
	default:
		options = append(options, dht.Mode(dht.ModeAutoServer)) // answers unless it sits behind a NAT
	}
	d, err := dht.New(n.ctx, &askedHost{n.host, n}, options...)
	if err != nil {
		return nil, fmt.Errorf("join the DHT: %w", err)
	}
	return &finder{dht: d, slots: make(chan struct{}, lookupsAtOnce)}, nil
}

// close leaves the DHT.
func (f *finder) close() error { return f.dht.Close() }

// find asks the DHT where a peer listens. It blocks on the network.
func (f *finder) find(ctx context.Context, id peer.ID) ([]ma.Multiaddr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	ctx, heard := routing.RegisterForQueryEvents(ctx)
	found := make(chan []ma.Multiaddr)
	go func() { // kad-dht itself gives no addresses that it dialled in vain
		var addrs []ma.Multiaddr
		for e := range heard {
			for _, p := range e.Responses {
				if p.ID == id {
					addrs = append(addrs, someHints(p.Addrs)...)
				}
			}
		}
		found <- addrs
	}()
	info, err := f.dht.FindPeer(ctx, id)
	cancel() // ends the events
	addrs := someHints(append(<-found, info.Addrs...))
	if len(addrs) == 0 {
		return nil, fmt.Errorf("look up %s: %w", id, cmp.Or(err, routing.ErrNotFound))
	}
	return addrs, nil
}

// someHints picks up to maxHints addresses that can be dialled, at random: whoever adds many false ones
// makes the true one come later, and never keeps it out.
func someHints(addrs []ma.Multiaddr) []ma.Multiaddr {
	out := make([]ma.Multiaddr, 0, maxHints)
	for _, i := range rand.Perm(len(addrs)) {
		if !canBeDialled(addrs[i]) {
			continue
		}
		if out = append(out, addrs[i]); len(out) == maxHints {
			break
		}
	}
	return out
}

// canBeDialled reports whether an address names a machine.
func canBeDialled(a ma.Multiaddr) bool {
	first, _ := ma.SplitFirst(a)
	if first == nil {
		return false
	}
	switch first.Protocol().Code {
	case ma.P_DNS, ma.P_DNS4, ma.P_DNS6:
		return true
	}
	ip, err := manet.ToIP(a)
	return err == nil && !ip.IsUnspecified() && !ip.IsMulticast()
}

// seek looks for a standing peer that is not reached, beside the attempts at its known addresses. It does not
// block; what is found wakes the peer's attend, whose goroutine it is called from.
func (n *Network) seek(r *remote) {
	now := time.Now()
	if !r.standing || now.Before(r.seekAt) || n.finder.dht.RoutingTable().Size() == 0 {
		return
	}
	select {
	case n.finder.slots <- struct{}{}:
	default:
		return
	}
	r.seekPause = min(max(2*r.seekPause, n.limits.LookupMin), n.limits.LookupMax)
	r.seekAt = now.Add(r.seekPause)
	started := n.spawn(func() {
		defer func() { <-n.finder.slots }()
		n.count.lookups.Add(1)
		found, err := n.finder.find(r.ctx, r.id)
		if err != nil {
			n.log.Debug("peer_not_found", "peer", r.name, "error", err)
			return
		}
		n.count.found.Add(1)
		n.log.Debug("peer_found", "peer", r.name, "addrs", found)
		r.hints.Store(&found)
		r.nudge()
	})
	if !started {
		<-n.finder.slots
	}
}

// whereabouts is where a peer is dialled: all that is configured, and then what the DHT said last.
func (n *Network) whereabouts(r *remote) peer.AddrInfo {
	info := peer.AddrInfo{ID: r.id, Addrs: n.addrs[r.id].Addrs}
	hints := r.hints.Load()
	if hints == nil {
		return info
	}
	configured := len(info.Addrs)
	info.Addrs = info.Addrs[:configured:configured]
	for _, hint := range *hints {
		if !ma.Contains(info.Addrs[:configured], hint) {
			info.Addrs = append(info.Addrs, hint)
		}
	}
	return info
}

// mingle keeps an observer connected to some others like it, found in the DHT, until Close.
func (n *Network) mingle() {
	ticker := time.NewTicker(n.limits.MingleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-ticker.C:
		}
		missing := n.limits.Mesh
		for _, r := range n.table.all() {
			if !r.member && r.connected() {
				missing--
			}
		}
		if missing > 0 && n.finder.dht.RoutingTable().Size() > 0 {
			n.meetOthers(missing)
		}
	}
}

// meetOthers asks around and connects to so many observers at most.
func (n *Network) meetOthers(missing int) {
	select {
	case <-n.ctx.Done():
		return
	case <-n.finder.dht.RefreshRoutingTable(): // an error means that some of those that were asked are gone
	}
	others := n.finder.dht.RoutingTable().ListPeers()
	rand.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	for _, id := range others {
		key, err := IdentityOf(id)
		if err != nil {
			continue
		}
		if _, member := n.cfg.Committee.AuthorOf(key); member || n.isConnected(id) {
			continue
		}
		ctx, cancel := context.WithTimeout(n.ctx, n.limits.DialTimeout)
		err = n.host.Connect(ctx, peer.AddrInfo{ID: id}) // its notification enters the peer
		cancel()
		if err != nil {
			continue
		}
		if missing--; missing == 0 {
			return
		}
	}
}

// errRequest is what the DHT reads in place of a request that is too large or comes too soon.
var errRequest = errors.New("request over the limits of one peer")

// errAttended is why the DHT may not dial a peer.
var errAttended = errors.New("dialled by its attendant alone")

// askedHost is the host as the DHT sees it. Requests reach the DHT only within each peer's limits: kad-dht has
// none of its own, and sets up to 4 MiB aside for a request. And it does not dial the peers that are
// attended: libp2p would put its attempts, at whatever addresses it was told, together with ours.
type askedHost struct {
	host.Host
	n *Network
}

// SetStreamHandler lets requests of peers in the table through.
func (h *askedHost) SetStreamHandler(id protocol.ID, handle network.StreamHandler) {
	h.Host.SetStreamHandler(id, func(s network.Stream) {
		h.n.lend(s, func(r *remote) {
			select {
			case r.lookingUp <- struct{}{}:
				defer func() { <-r.lookingUp }()
			default:
				_ = s.Reset()
				return
			}
			handle(&requests{Stream: s, rate: r.lookups})
		})
	})
}

// Connect dials a peer that the DHT wants to ask, unless it is attended.
func (h *askedHost) Connect(ctx context.Context, info peer.AddrInfo) error {
	if r := h.n.table.find(info.ID); r != nil && r.standing && !h.n.isConnected(info.ID) {
		return errAttended
	}
	return h.Host.Connect(ctx, info)
}

// NewStream opens a stream to a peer that is connected.
func (h *askedHost) NewStream(ctx context.Context, id peer.ID, protocols ...protocol.ID) (network.Stream, error) {
	return h.Host.NewStream(network.WithNoDial(ctx, "dht"), id, protocols...)
}

// requests is a stream of requests, each a length as a varint and so many bytes.
type requests struct {
	network.Stream
	rate   *bucket
	left   int // bytes of the request that are still to come
	length int // what is known of a length that has not come in full
	shift  int
}

// Read passes on what has come as long as it keeps the limits.
func (s *requests) Read(p []byte) (int, error) {
	n, err := s.Stream.Read(p)
	for rest := p[:n]; len(rest) > 0; {
		if s.left > 0 {
			m := min(s.left, len(rest))
			s.left, rest = s.left-m, rest[m:]
			continue
		}
		b := rest[0]
		rest = rest[1:]
		s.length |= int(b&0x7f) << s.shift
		if s.shift += 7; s.length > maxLookupBytes || s.shift > 21 {
			return 0, errRequest
		}
		if b&0x80 != 0 {
			continue
		}
		if !s.rate.allow(time.Now()) {
			return 0, errRequest
		}
		s.rate.charge(1)
		s.left, s.length, s.shift = s.length, 0, 0
	}
	return n, err
}
