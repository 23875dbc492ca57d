package keygen

import (
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/dag"
)

// The system messages of the key generations.
const (
	// KindDeal carries a deal of crypto/dkg for the sealing key.
	KindDeal dag.SystemKind = 1
	// KindAck carries an acknowledgement of such deals.
	KindAck dag.SystemKind = 2
	// KindCertificateDeal carries a deal for the certificate key.
	KindCertificateDeal dag.SystemKind = 4
	// KindCertificateAck carries an acknowledgement of such deals.
	KindCertificateAck dag.SystemKind = 5
)

// Purpose is what a key is for: the group that it is in, and the system messages by which it is made. The runs
// of the purposes go side by side and have nothing in common.
type Purpose struct {
	Group dkg.Group
	Deal  dag.SystemKind
	Ack   dag.SystemKind
}

// The keys that a network makes.
var (
	// Sealing is for the key that contents are sealed with.
	Sealing = Purpose{Group: dkg.Ristretto255, Deal: KindDeal, Ack: KindAck}
	// Certificates is for the key that certificates of commits are signed with.
	Certificates = Purpose{Group: dkg.BLS12381G2, Deal: KindCertificateDeal, Ack: KindCertificateAck}
)

// keysPerEpoch keeps the key ids of different epochs apart. An epoch has f+1 keys at most, since each one after
// the first excludes a dealer and a run needs n-f that are not.
const keysPerEpoch = 1 << 32
