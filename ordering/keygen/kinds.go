package keygen

import "github.com/dunlin-network/dunlin/dag"

// The system messages of the key generation.
const (
	// KindDeal carries a deal of crypto/dkg.
	KindDeal dag.SystemKind = 1
	// KindAck carries an acknowledgement.
	KindAck dag.SystemKind = 2
)

// keysPerEpoch keeps the key ids of different epochs apart. An epoch has f+1 keys at most, since each one after
// the first excludes a dealer and a run needs n-f that are not.
const keysPerEpoch = 1 << 32
