package rollupapi

import (
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// Limits of what clients may ask. GetInfo tells them.
const (
	// maxSubmitItemsJSON is how many transactions one JSON call may carry; people write these.
	maxSubmitItemsJSON = 256
	// maxSubmitItems is how many one protobuf call may carry: 1 MiB of 256-byte transactions.
	maxSubmitItems = 4096
	// maxSubmitBytes bounds the payloads of one call together; two full blocks' worth.
	maxSubmitBytes = 1 << 20
	// maxSubmitSealed is how many ciphertexts one call may carry: at 0.2 ms each for proof and signature,
	// 50 ms of one core.
	maxSubmitSealed = 256
	// maxUnrevealed is how many commits may wait for their reveals before no more sealed items are taken: in a
	// healthy network hardly one does. It is far below the validity window: what is refused can be sent again.
	maxUnrevealed = 1000
	// maxBodyBytes bounds a request body: 1 MiB in hex, with signatures and names around it.
	maxBodyBytes = 3 << 20
	// maxRangeItems, maxRangeBytes (of payloads) and maxRangeCommits (looked through) bound one Range.
	maxRangeItems   = 4096
	maxRangeBytes   = 4 << 20
	maxRangeCommits = 500
	// maxRangeOpened is how many ciphertexts one Range opens, at 0.06 ms each unless another reader has lately.
	maxRangeOpened = 1024
	// maxOriginBytes bounds the deals and blocks that one answer shows the origin of keys with; the next answer goes on.
	maxOriginBytes = 8 << 20
	// maxProofCommits is of how many commits one call proves what a namespace got.
	maxProofCommits = 64
	// maxRoundBytes bounds the blocks that are looked at for one round; of most committees they all fit.
	maxRoundBytes = 16 << 20
	// maxNamespaces is how many namespaces one stream or range may name; more ask for all.
	maxNamespaces = 64
	// defaultStreams is how many streams a node serves at a time unless its config says otherwise;
	// each costs a goroutine and a batch.
	defaultStreams = 256
	// maxBatchItems and maxBatchBytes (of payloads) bound one message of a stream.
	maxBatchItems = 1024
	maxBatchBytes = 256 << 10
	// maxRPCBatch is how many JSON-RPC requests one batch may hold.
	maxRPCBatch = 64
	// maxRPCAnswerBytes bounds what execution clients answer one batch, but for the last answer.
	maxRPCAnswerBytes = 8 << 20
	// maxBatchSearch is how many batches one call of Rollkit's interface walks through to find the one it names.
	maxBatchSearch = 2048
	// maxIdempotencyKey is how many bytes an idempotency key may have.
	maxIdempotencyKey = 64
	// maxWatched is how many ids one Watch may name.
	maxWatched = 256
	// maxBehind is how many commits the node may lack before it refuses what it could only answer wrong: some seconds
	// of a local network, which a busy machine loses now and then.
	maxBehind = 250
	// maxCursorBytes is the longest text that can be a cursor.
	maxCursorBytes = 128
)

// Bounds on what the server holds at a time.
const (
	// maxCalls is how many submitting calls may be under way; more are answered BUSY.
	maxCalls = 1024
	// maxCallBytes bounds the payloads of those calls together; more are answered BUSY.
	maxCallBytes = 64 << 20
	// maxHeldBytes bounds the bodies of all requests being answered together: every connection could
	// else send its largest at once. More are answered BUSY.
	maxHeldBytes = 256 << 20
	// maxTracked is how many ids one generation of the tracker holds; there are two, about 20 MB. At
	// 20,000 transactions a second an id is known for three seconds at least, several commits' time.
	maxTracked = 1 << 16
	// maxOpenedBytes is how much opened content one generation keeps for other readers; there are two. It
	// is more than any commit of four validators holds.
	maxOpenedBytes = 8 << 20
	// maxOnceBytes is how much one generation of answers under idempotency keys takes; there are two.
	maxOnceBytes = 8 << 20
	// maxHashes is how many Ethereum hashes one generation remembers for status questions.
	maxHashes = 1 << 14
	// maxKnownBatches is how many of Rollkit's batches one generation remembers the end of: 5 MB.
	maxKnownBatches = 1 << 16
	// maxBatchWalks is how many walks through namespaces are remembered, maxBatchSearches how many are under way.
	maxBatchWalks    = 1024
	maxBatchSearches = 4
	// latencySamples is how many of the newest transactions the latency figures are taken from.
	latencySamples = 2048
	// maxConcurrentStreams is how many requests one HTTP/2 connection may have open.
	maxConcurrentStreams = 256
	// maxConnections is how many connections the port serves at a time; more wait in the backlog.
	maxConnections = 4096
	// maxClientConnections is how many of them one address may hold.
	maxClientConnections = 256
	// clientStreams is the part of a node's streams that one client may take: one in so many.
	clientStreams = 4
	// maxHeaderBytes bounds the header of a request.
	maxHeaderBytes = 16 << 10
	// namespaceLook is how many commits of a namespace are asked for at a time.
	namespaceLook = 256
)

// Times. None decides anything about the order.
const (
	headerTimeout    = 5 * time.Second        // for the whole header of a request
	bodyTimeout      = 20 * time.Second       // for the whole body: 3 MiB at 150 KiB/s
	writeTimeout     = 10 * time.Second       // for one message to a stream's reader; then it is closed
	idleTimeout      = 2 * time.Minute        // for a connection without a request
	shutdownTimeout  = 3 * time.Second        // for calls under way when the server stops
	defaultWait      = 10 * time.Second       // how long a call waits if it does not say
	longestWait      = time.Minute            // how long a call may wait
	sequenceTimeout  = 30 * time.Second       // for the sequencer to answer one call
	defaultHeartbeat = 5 * time.Second        // between watermarks of a quiet stream
	shortestBeat     = 100 * time.Millisecond // the least a reader may ask for
	longestBeat      = time.Minute            // the most
	batchSearchPause = time.Minute            // between two searches for batches that begin with the history
	busyRetry        = 250 * time.Millisecond // what a BUSY answer advises
	quotaRetry       = time.Second            // what QUOTA advises: a node's blocks of a second are some megabytes
	syncRetry        = time.Second            // what NOT_SYNCED and NOT_PROPOSING advise
)

// validityWindow is dag's W, which the API speaks of often.
const validityWindow = dag.CommitIndex(dag.ValidityWindow)
