package keygen

import "github.com/dunlin-network/dunlin/dag"

// The system messages of the key generation.
const (
	// KindDeal carries a deal of crypto/dkg.
	KindDeal dag.SystemKind = 1
	// KindAck carries an acknowledgement.
	KindAck dag.SystemKind = 2
)

// Limits of the state.
const (
	// MaxKeys bounds the keys that Decode reads; a committee makes at most f+1.
	MaxKeys = (dag.MaxCommittee-1)/3 + 1
	// keysPerEpoch keeps the key ids of different epochs apart.
	keysPerEpoch = 1 << 32
)
