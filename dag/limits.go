package dag

// Limits of what a block and a transaction may hold. All are part of block validity or of
// admission, so that they are the same on every node of a network.
const (
	// ProtocolVersion stands in every block; blocks of another version are refused. 2 changed the ids of bundles
	// and sealed items and what a commit's digest covers.
	ProtocolVersion = 2

	// MaxTransactionBytes is the largest payload of a transaction, and of a bundle's legs together.
	MaxTransactionBytes = 128 << 10
	// MaxPayloadBytes is how much the encoded items of one block may take together, without the
	// four bytes of length that stand before each in the block.
	MaxPayloadBytes = 512 << 10
	// MaxSystemBytes is how much the system messages of one block may take, encoded.
	MaxSystemBytes = 192 << 10
	// MaxItems is how many items one block may hold.
	MaxItems = 8192
	// minSealedItems and sealedItemsPerRound make MaxSealedItems.
	minSealedItems      = 8
	sealedItemsPerRound = 256
	// MaxSystemMessages is how many system messages one block may hold.
	MaxSystemMessages = 256
	// MaxBundleLegs is how many legs one bundle may have.
	MaxBundleLegs = 16
	// MaxBundleNamespaces is how many different namespaces the legs of one bundle may name.
	MaxBundleNamespaces = 8
	// MaxCommittee is the largest committee; references and bitsets are sized by it.
	MaxCommittee = 256
	// MaxBlockBytes bounds an encoded block with everything in it; a block whose parts keep their
	// limits keeps this one.
	MaxBlockBytes = minBlock + MaxCommittee*RefSize + MaxSystemBytes + MaxPayloadBytes + itemPrefix*MaxItems
)

// Limits of a genesis file.
const (
	// GenesisVersion is the version that is read: 2 says how contents are sealed, which 1 did not.
	GenesisVersion = 2
	// FirstEpoch is the epoch of the committee that genesis names.
	FirstEpoch Epoch = 0
	// MaxGenesisBytes bounds the file; 256 validators and 4096 namespaces take less than 1 MiB.
	MaxGenesisBytes = 4 << 20
	// MaxNamespaces is how many namespaces a network may have; each costs the nodes an index.
	MaxNamespaces = 4096
	// MaxWeight is the largest weight of a namespace: a heavier one would leave nothing to others.
	MaxWeight = 100
	// MaxControlSignatures is how many keys may sign one control, and how many admins a network may have.
	MaxControlSignatures = 16
	// MaxNameBytes is the length of the name of a chain, validator or namespace, so that it fits a
	// column of a table.
	MaxNameBytes = 32
)

// MaxSealedItems is how many sealed items one block of a committee of n may hold: each makes every validator
// compute for some tenths of a millisecond, and more with more validators, so that faulty ones could
// otherwise have more ordered than all can open. A quarter of a thousand a round are some thousand a second.
func MaxSealedItems(n int) int { return max(minSealedItems, sealedItemsPerRound/n) }
