package devnet

import (
	"encoding/binary"

	"github.com/dunlin-network/dunlin/crypto"
)

// key is an id in the form in which the devnet counts: among ten million ids, two share a key with
// a chance of three in a million.
type key uint64

func keyOf(id crypto.Digest) key { return key(binary.BigEndian.Uint64(id[:8])) }
