package p2p

import (
	"time"

	"github.com/dunlin-network/dunlin/dag"
)

// Fixed limits of the wire and of what one peer may make this node do.
const (
	// maxFetchRefs is how many blocks one fetch may name; 42 KB of request.
	maxFetchRefs = 1000
	// maxFetchBytes is how much one answer to a fetch may hold, blocks counted without framing:
	// a second's worth on a 32 Mbit/s link.
	maxFetchBytes = 4 << 20
	// maxBatch is how many blocks that lie ready in the receive buffer are verified together.
	maxBatch = 32
	// readBuffer is the receive buffer of a stream in bytes; larger blocks bypass it.
	readBuffer = 64 << 10
	// writeBuffer is how many bytes of queued frames leave in one Write at most.
	writeBuffer = 256 << 10
	// maxGossipItem is the largest gossiped transaction or bundle: payload and its envelope.
	maxGossipItem = dag.MaxTransactionBytes + 4<<10
	// maxGossipMessage bounds a GossipSub message: a block and the envelope around it.
	maxGossipMessage = dag.MaxBlockBytes + 4<<10
	// maxGossipControl bounds the control part of a GossipSub message in bytes.
	maxGossipControl = 64 << 10
	// maxSubscriptions is how many subscriptions one GossipSub message may hold; there are two topics.
	maxSubscriptions = 16
	// maxRejected is after how many invalid gossiped messages a stranger is disconnected; GossipSub takes
	// none of its messages then either.
	maxRejected = 2
	// gossipQueue is how many own blocks wait for the gossip topic; beyond it they are dropped.
	gossipQueue = 64
	// transactionQueue is how many gossiped transactions wait for the node; beyond it they are dropped.
	transactionQueue = 4096
	// maxBars is how many peers are remembered as barred; the one that is free soonest goes first.
	maxBars = 1024

	// servedPerPeer is how many fetches of one validator are served at a time.
	servedPerPeer = 4
	// servedStrangers is how many fetches of all strangers together are served at a time.
	servedStrangers = 8
	// fetchesPerPeer is how many fetches of ours one peer may have outstanding.
	fetchesPerPeer = 8

	// Requests and bytes per second that are served to one validator and to one stranger; the
	// burst is one second's worth, but never less than one answer.
	validatorRequestRate = 200
	validatorByteRate    = 64 << 20
	strangerRequestRate  = 20
	strangerByteRate     = 8 << 20
	// strangersByteRate is what all strangers together are served per second: twenty at their own rate
	// would be 160 MiB. There are other validators to ask.
	strangersByteRate = 16 << 20
	// controlRate is how many messages beside blocks one peer may push per second; beyond it they
	// are ignored. A round every 5 ms needs far less.
	controlRate = 400

	// memoryLimit is what libp2p may reserve for connections and stream windows in bytes.
	memoryLimit = 256 << 20
	// connectionsPerPeer is how many connections to one peer may be open; more than one only
	// lasts until the superseded ones are closed.
	connectionsPerPeer = 8
	// streamsPerPeer is how many streams a peer may have open in each direction: push, gossip,
	// identify and fetches.
	streamsPerPeer = 64
	// connectionsPerAddress is how many connections one IP address may hold: a whole cluster may
	// sit behind one address.
	connectionsPerAddress = 256
	// connectsPerSecond and connectBurst bound new connections from one IP address. Restarting a
	// cluster of 100 behind one address is normal.
	connectsPerSecond = 50
	connectBurst      = 500

	// simultaneous is how close two connections must have opened for both ends to have dialled at
	// the same time. Beyond it the newer one is there because the older one is dead.
	simultaneous = 2 * time.Second
	// tcpHeadStart is how long TCP addresses are tried before QUIC ones: TCP costs 2.6 times less.
	tcpHeadStart = time.Second
	// faultMemory is after how long without a fault the penalty starts small again.
	faultMemory = 10 * time.Minute
	// maxFetchTime is how many Limits.FetchTimeout a fetch may take in all while it makes progress.
	maxFetchTime = 6
	// lookupRate is how many requests of the DHT one peer may send per second, and lookupBurst how many
	// at once: a look-up asks everybody a few times.
	lookupRate  = 5
	lookupBurst = 50
	// lookupsPerPeer is how many streams of them one peer may have.
	lookupsPerPeer = 2
	// maxLookupBytes bounds a request of the DHT; one for a peer takes some 50 bytes.
	maxLookupBytes = 4 << 10
	// strangerTries is how often a stranger may refuse the push stream before it is disconnected.
	strangerTries = 3
)

// Limits are the limits that a node's operator or a test may want to change. A zero field means
// the default.
type Limits struct {
	Events        int           // events that wait for the node; default 1024
	QueueBytes    int           // bytes that wait for one peer; default 16 MiB
	QueueFrames   int           // frames that wait for one peer; default 1024
	Strangers     int           // peers outside the committee; default 64
	StrangersWork int           // microseconds a second of one core that all of those share; default 60,000
	Descriptors   int           // files that connections of strangers may take; default as many as connections
	DialTimeout   time.Duration // one attempt to connect; default 5 s
	FetchTimeout  time.Duration // without progress of a fetch, ours or served; default 5 s
	WriteTimeout  time.Duration // for one write to a peer; default 30 s
	RedialMin     time.Duration // first pause between attempts; default 500 ms
	RedialMax     time.Duration // longest pause between attempts; default 5 s
	PingInterval  time.Duration // between measurements of the round trip; default 5 s
	WatchEvery    time.Duration // between looks whether a peer is silent; six in a row close it; default 1 s
	Penalty       time.Duration // first time that a peer at fault is barred, doubling; default 1 s
	PenaltyMax    time.Duration // longest time that a peer at fault is barred; default 1 minute
	LookupMin     time.Duration // how long a peer is dialled before it is looked up in the DHT; doubles after each time; default 2 s
	LookupMax     time.Duration // longest pause between look-ups; default 1 minute
	Mesh          int           // other observers that an observer wants to be connected to; default 8
	MingleEvery   time.Duration // between looks whether there are as many; default 15 s
}

func (l Limits) withDefaults() Limits {
	orInt := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	orTime := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	orInt(&l.Events, 1024)
	orInt(&l.QueueBytes, 16<<20)
	orInt(&l.QueueFrames, 1024)
	orInt(&l.Strangers, 64)
	orInt(&l.StrangersWork, strangersWork)
	orTime(&l.DialTimeout, 5*time.Second)
	orTime(&l.FetchTimeout, 5*time.Second)
	orTime(&l.WriteTimeout, 30*time.Second)
	orTime(&l.RedialMin, 500*time.Millisecond)
	orTime(&l.RedialMax, 5*time.Second)
	orTime(&l.PingInterval, 5*time.Second)
	orTime(&l.WatchEvery, time.Second)
	orTime(&l.Penalty, time.Second)
	orTime(&l.PenaltyMax, time.Minute)
	orTime(&l.LookupMin, 2*time.Second)
	orTime(&l.LookupMax, time.Minute)
	orInt(&l.Mesh, 8)
	orTime(&l.MingleEvery, 15*time.Second)
	return l
}
