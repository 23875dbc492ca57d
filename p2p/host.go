package p2p

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/x/rate"
	ma "github.com/multiformats/go-multiaddr"
)

// newHost starts libp2p with the two transports and the services of the node's role. It does not listen
// yet, so that nobody connects before the protocols have their handlers.
func newHost(n *Network) (host.Host, error) {
	cfg := &n.cfg
	private, err := privateKey(cfg.Identity)
	if err != nil {
		return nil, err
	}
	resources, err := newResources(cfg)
	if err != nil {
		return nil, err
	}
	connections, err := newConnections(cfg)
	if err != nil {
		return nil, err
	}
	options := append(roleOptions(n),
		libp2p.Identity(private),
		libp2p.UserAgent("dunlin"),
		libp2p.NoListenAddrs,
		libp2p.Transport(quic.NewTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.ResourceManager(resources),
		libp2p.ConnectionGater(n.gate),
		libp2p.ConnectionManager(connections),
		libp2p.SwarmOpts(swarm.WithDialRanker(rankDials)),
		libp2p.WithDialTimeout(cfg.Limits.DialTimeout),
		libp2p.UDPBlackHoleSuccessCounter(nil),
		libp2p.IPv6BlackHoleSuccessCounter(nil),
		libp2p.Ping(false),
		libp2p.DisableMetrics(),
	)
	if len(cfg.Announce) > 0 {
		options = append(options, libp2p.AddrsFactory(func([]ma.Multiaddr) []ma.Multiaddr { return cfg.Announce }))
	}
	h, err := libp2p.New(options...)
	if err != nil {
		return nil, fmt.Errorf("start libp2p host: %w", err)
	}
	return h, nil
}

// rankDials tries TCP addresses first and all others when they have had their time.
func rankDials(addrs []ma.Multiaddr) []network.AddrDelay {
	out := make([]network.AddrDelay, 0, len(addrs))
	for _, a := range addrs {
		delay := time.Duration(0)
		if _, err := a.ValueForProtocol(ma.P_TCP); err != nil {
			delay = tcpHeadStart
		}
		out = append(out, network.AddrDelay{Addr: a, Delay: delay})
	}
	for _, d := range out {
		if d.Delay == 0 {
			return out
		}
	}
	for i := range out {
		out[i].Delay = 0
	}
	return out
}

// newResources is the resource manager: memory and counts are bounded, and a whole cluster may
// share an address. libp2p's own limits of 8 connections and 0.2 new ones per second and address
// would cut off any cluster outside loopback.
func newResources(cfg *Config) (network.ResourceManager, error) {
	peers := cfg.Committee.Size() + cfg.Limits.Strangers
	connections, streams := peers*connectionsPerPeer, peers*streamsPerPeer
	system := rcmgr.ResourceLimits{
		Conns: rcmgr.LimitVal(2 * connections), ConnsInbound: rcmgr.LimitVal(connections), ConnsOutbound: rcmgr.LimitVal(connections),
		Streams: rcmgr.LimitVal(2 * streams), StreamsInbound: rcmgr.LimitVal(streams), StreamsOutbound: rcmgr.LimitVal(streams),
		FD: rcmgr.LimitVal(2 * connections), Memory: memoryLimit,
	}
	transient := system
	transient.Memory = memoryLimit / 4
	members, membersTransient := system, transient
	if files := cfg.Limits.Descriptors; files > 0 {
		system.FD = min(system.FD, rcmgr.LimitVal(files))
		transient.FD = system.FD / 2 // who has not said who it is yet leaves the others room
	}
	onePeer := rcmgr.ResourceLimits{
		Conns: 2 * connectionsPerPeer, ConnsInbound: connectionsPerPeer, ConnsOutbound: connectionsPerPeer,
		Streams: 2 * streamsPerPeer, StreamsInbound: streamsPerPeer, StreamsOutbound: streamsPerPeer,
		FD: 2 * connectionsPerPeer, Memory: memoryLimit / 4,
	}
	limits := rcmgr.PartialLimitConfig{
		System: system, Transient: transient, AllowlistedSystem: members, AllowlistedTransient: membersTransient,
		ServiceDefault: system, ServicePeerDefault: onePeer, ProtocolDefault: system, ProtocolPeerDefault: onePeer,
		PeerDefault: onePeer,
	}.Build(rcmgr.DefaultLimits.Scale(memoryLimit, 2*connections))
	perAddress := []rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: connectionsPerAddress}}
	perAddress6 := []rcmgr.ConnLimitPerSubnet{{PrefixLength: 64, ConnCount: connectionsPerAddress}}
	manager, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits),
		rcmgr.WithMetricsDisabled(),
		rcmgr.WithLimitPerSubnet(perAddress, perAddress6),
		rcmgr.WithConnRateLimiters(connectRate()),
		rcmgr.WithAllowlistedMultiaddrs(allowlist(cfg)),
	)
	if err != nil {
		return nil, fmt.Errorf("resource manager: %w", err)
	}
	return manager, nil
}

func connectRate() *rate.Limiter {
	limit := rate.Limit{RPS: connectsPerSecond, Burst: connectBurst}
	return &rate.Limiter{
		NetworkPrefixLimits: []rate.PrefixLimit{
			{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, {Prefix: netip.MustParsePrefix("::1/128")},
		},
		SubnetRateLimiter: rate.SubnetLimiter{
			IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: limit}},
			IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 64, Limit: limit}},
			GracePeriod:      time.Minute,
		},
	}
}

// allowlist is where the committee listens: its members are let in also when strangers have used
// up the limits of the system. Only addresses with an IP can be listed.
func allowlist(cfg *Config) []ma.Multiaddr {
	var out []ma.Multiaddr
	for _, info := range cfg.Peers {
		key, err := IdentityOf(info.ID)
		if err != nil {
			continue
		}
		if _, member := cfg.Committee.AuthorOf(key); !member {
			continue
		}
		for _, a := range info.Addrs {
			ip, _ := ma.SplitFirst(a)
			if ip == nil || (ip.Protocol().Code != ma.P_IP4 && ip.Protocol().Code != ma.P_IP6) {
				continue
			}
			if id, err := ma.NewComponent("p2p", info.ID.String()); err == nil {
				out = append(out, ma.Join(ip, id))
			}
		}
	}
	return out
}
