package p2p

import (
	"encoding/hex"
	"fmt"

	libcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/dunlin-network/dunlin/crypto"
)

// PeerID is the libp2p id of an identity key.
func PeerID(key crypto.PublicKey) (peer.ID, error) {
	public, err := libcrypto.UnmarshalEd25519PublicKey(key[:])
	if err != nil {
		return "", fmt.Errorf("peer id of %s: %w", key.Short(), err)
	}
	id, err := peer.IDFromPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("peer id of %s: %w", key.Short(), err)
	}
	return id, nil
}

// IdentityOf is the identity key inside a libp2p id. It is an error for ids of keys that are not
// ed25519, which Dunlin does not speak to.
func IdentityOf(id peer.ID) (crypto.PublicKey, error) {
	var key crypto.PublicKey
	public, err := id.ExtractPublicKey()
	if err != nil {
		return key, fmt.Errorf("identity of peer %s: %w", id, err)
	}
	if public.Type() != libcrypto.Ed25519 {
		return key, fmt.Errorf("identity of peer %s: key type %s, want Ed25519", id, public.Type())
	}
	raw, err := public.Raw()
	if err != nil {
		return key, fmt.Errorf("identity of peer %s: %w", id, err)
	}
	copy(key[:], raw)
	return key, nil
}

// AddrInfo is where an identity listens, in the form that Config.Peers takes.
func AddrInfo(key crypto.PublicKey, addrs ...ma.Multiaddr) (peer.AddrInfo, error) {
	id, err := PeerID(key)
	return peer.AddrInfo{ID: id, Addrs: addrs}, err
}

func privateKey(k *crypto.IdentityKey) (libcrypto.PrivKey, error) {
	standard := k.Standard()
	private, _, err := libcrypto.KeyPairFromStdKey(&standard)
	if err != nil {
		return nil, fmt.Errorf("identity key for libp2p: %w", err)
	}
	return private, nil
}

// names are the protocols and topics of one network.
type names struct {
	push, fetch, offer, echo, snapshot protocol.ID
	find                               protocol.ID // prefix of the DHT
	blocks, transactions               string
}

func namesOf(network crypto.Digest) names {
	prefix := "/dunlin/" + hex.EncodeToString(network[:4])
	return names{
		push:         protocol.ID(prefix + "/push/1"),
		fetch:        protocol.ID(prefix + "/fetch/1"),
		offer:        protocol.ID(prefix + "/offer/1"),
		echo:         protocol.ID(prefix + "/echo/1"),
		find:         protocol.ID(prefix),
		snapshot:     protocol.ID(prefix + "/snapshot/1"),
		blocks:       prefix + "/blocks/1",
		transactions: prefix + "/transactions/1",
	}
}
