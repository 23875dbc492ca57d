package p2p

import (
	"crypto/rand"
	"fmt"
	"testing"

	libcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// TestClusterBehindOneAddress opens as many connections at once from one address outside loopback
// as a cluster makes when it starts.
func TestClusterBehindOneAddress(t *testing.T) {
	for name, address := range map[string]string{"one address": "/ip4/10.0.0.1/tcp/%d", "one IPv6 network": "/ip6/fd00::1/tcp/%d"} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Committee: committee(t, 100), Limits: Limits{}.withDefaults()}
			m, err := newResources(&cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = m.Close() }()
			for i := range 2 * connectionsPerAddress {
				scope, err := m.OpenConnection(network.DirInbound, true, ma.StringCast(fmt.Sprintf(address, i+1)))
				if open := err == nil; open != (i < connectionsPerAddress) {
					t.Fatalf("connection %d: open %v, limit %d, error %v", i+1, open, connectionsPerAddress, err)
				}
				if err == nil {
					defer scope.Done()
				}
			}
		})
	}
}

func TestQuickReconnectsFromOneAddress(t *testing.T) {
	cfg := Config{Committee: committee(t, 4), Limits: Limits{}.withDefaults()}
	m, err := newResources(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	for i := range connectBurst {
		scope, err := m.OpenConnection(network.DirInbound, true, ma.StringCast("/ip4/10.0.0.1/tcp/1"))
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		scope.Done()
	}
}

func TestAllowlistHoldsTheCommittee(t *testing.T) {
	c := committee(t, 4)
	info := func(k int, addrs ...string) peer.AddrInfo {
		var out []ma.Multiaddr
		for _, a := range addrs {
			out = append(out, ma.StringCast(a))
		}
		i, err := AddrInfo(key(k).Public(), out...)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	member := info(1, "/ip4/10.0.0.1/tcp/1", "/dns4/example.org/tcp/1")
	cfg := Config{Committee: c, Peers: []peer.AddrInfo{member, info(9, "/ip4/10.0.0.9/tcp/1")}}
	got := allowlist(&cfg)
	if want := "/ip4/10.0.0.1/p2p/" + member.ID.String(); len(got) != 1 || got[0].String() != want {
		t.Errorf("%v, want %s alone", got, want)
	}
}

func TestOnlyEd25519KeysAreLetIn(t *testing.T) {
	g := newGate(1, 1)
	for name, kind := range map[string]int{"rsa": libcrypto.RSA, "secp256k1": libcrypto.Secp256k1, "ed25519": libcrypto.Ed25519} {
		_, public, err := libcrypto.GenerateKeyPairWithReader(kind, 2048, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		id, err := peer.IDFromPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.InterceptSecured(network.DirInbound, id, nil); got != (kind == libcrypto.Ed25519) {
			t.Errorf("%s let in: %v", name, got)
		}
	}
}

func TestIdentityAndPeerID(t *testing.T) {
	public := key(3).Public()
	id, err := PeerID(public)
	if err != nil {
		t.Fatal(err)
	}
	private, err := privateKey(key(3))
	if err != nil {
		t.Fatal(err)
	}
	if !id.MatchesPrivateKey(private) {
		t.Error("the id is not that of the private key")
	}
	if back, err := IdentityOf(id); err != nil || back != public {
		t.Errorf("%v, %v; want %v", back, err, public)
	}
}

func TestRankDials(t *testing.T) {
	tcp, quic := ma.StringCast("/ip4/127.0.0.1/tcp/1"), ma.StringCast("/ip4/127.0.0.1/udp/1/quic-v1")
	for _, d := range rankDials([]ma.Multiaddr{quic, tcp}) {
		if late := d.Addr.Equal(quic); (d.Delay > 0) != late {
			t.Errorf("%v is dialled after %v", d.Addr, d.Delay)
		}
	}
	if d := rankDials([]ma.Multiaddr{quic}); d[0].Delay != 0 {
		t.Errorf("QUIC alone waits %v", d[0].Delay)
	}
}
