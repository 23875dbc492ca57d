package p2p

import (
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/dunlin-network/dunlin/ordering"
)

// Stats counts since the start of the Network. All fields only grow.
type Stats struct {
	BlocksIn, BlocksOut           uint64 // by push streams
	BytesIn, BytesOut             uint64 // of push and fetch frames
	Dropped                       uint64 // frames that a full queue of a peer dropped
	Hints                         uint64 // frontier hints to peers that had lagged
	Faults                        uint64 // invalid blocks and frames; each cost its sender the connection
	Unasked                       uint64 // fetched blocks that were not asked for; the fetch ended there
	ControlIgnored                uint64 // messages beside blocks over a peer's rate
	FetchesSent, FetchesFailed    uint64 // ours; failed: ended before the trailer, or refused
	FetchesServed, FetchesRefused uint64 // of others; refused: over rate or concurrency
	FetchedBlocks                 uint64
	GossipBlocks                  uint64 // accepted from the block topic
	GossipTransactions            uint64 // accepted from the transaction topic
	GossipRejected                uint64 // refused in either topic
	GossipDropped                 uint64 // ours or accepted ones for which a queue was full
	OffersSent                    uint64 // ours that were answered
	OffersTaken, OffersRefused    uint64 // items of others
	SnapshotQueriesSent           uint64 // ours
	SnapshotQueriesServed         uint64 // of others
	SnapshotQueriesRefused        uint64 // of others: over rate or concurrency
	SnapshotRecords               uint64 // of answers to ours
	Dead                          uint64 // connections closed because the peer gave no sign of life
	Superseded                    uint64 // connections closed because another one replaced them
	StrangersRefused              uint64 // connections closed because there was no room for the peer
	Lookups, Found                uint64 // of peers in the DHT, and those that gave addresses
}

type counters struct {
	blocksIn, blocksOut, bytesIn, bytesOut, dropped, hints, faults, unasked, controlIgnored atomic.Uint64
	fetchesSent, fetchesFailed, fetchesServed, fetchesRefused, fetchedBlocks                atomic.Uint64
	gossipBlocks, gossipTransactions, gossipRejected, gossipDropped                         atomic.Uint64
	snapshotQueriesSent, snapshotQueriesServed, snapshotQueriesRefused, snapshotRecords     atomic.Uint64
	superseded, strangersRefused, offersSent, offersTaken, offersRefused, dead              atomic.Uint64
	lookups, found                                                                          atomic.Uint64
}

// Stats is a snapshot of the counters. Safe for concurrent use.
func (n *Network) Stats() Stats {
	c := &n.count
	return Stats{
		BlocksIn: c.blocksIn.Load(), BlocksOut: c.blocksOut.Load(), BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
		Dropped: c.dropped.Load(), Hints: c.hints.Load(), Faults: c.faults.Load(), Unasked: c.unasked.Load(),
		ControlIgnored: c.controlIgnored.Load(), FetchesSent: c.fetchesSent.Load(), FetchesFailed: c.fetchesFailed.Load(),
		FetchesServed: c.fetchesServed.Load(), FetchesRefused: c.fetchesRefused.Load(), FetchedBlocks: c.fetchedBlocks.Load(),
		GossipBlocks: c.gossipBlocks.Load(), GossipTransactions: c.gossipTransactions.Load(),
		GossipRejected: c.gossipRejected.Load(), GossipDropped: c.gossipDropped.Load(),
		OffersSent: c.offersSent.Load(), OffersTaken: c.offersTaken.Load(), OffersRefused: c.offersRefused.Load(),
		SnapshotQueriesSent: c.snapshotQueriesSent.Load(), SnapshotQueriesServed: c.snapshotQueriesServed.Load(),
		SnapshotQueriesRefused: c.snapshotQueriesRefused.Load(), SnapshotRecords: c.snapshotRecords.Load(),
		Dead: c.dead.Load(), Superseded: c.superseded.Load(), StrangersRefused: c.strangersRefused.Load(),
		Lookups: c.lookups.Load(), Found: c.found.Load(),
	}
}

// PeerInfo is a snapshot of one peer.
type PeerInfo struct {
	Peer              ordering.Peer
	Name              string // a validator's name; a stranger's shortened key
	ID                peer.ID
	Member            bool           // whether it belongs to the committee
	Connected         bool           // whether the engine was told so
	Since             time.Time      // when it connected; zero if it is not
	Addrs             []ma.Multiaddr // the remote ends of its connections
	QueueFrames       int            // frames that wait for it
	QueueBytes        int            // their bytes
	Lagging           bool           // whether its queue overflowed and has not drained since
	RTT               time.Duration  // newest round trip of a ping, queues included; 0 if unknown
	BytesIn, BytesOut uint64
}

// Peers is a snapshot of all validators but this one and of the connected strangers, ordered by
// Peer. Safe for concurrent use.
func (n *Network) Peers() []PeerInfo {
	remotes := n.table.all()
	out := make([]PeerInfo, 0, len(remotes))
	for _, r := range remotes {
		info := PeerInfo{
			Peer: r.number, Name: r.name, ID: r.id, Member: r.member, RTT: time.Duration(r.rtt.Load()),
			BytesIn: r.bytesIn.Load(), BytesOut: r.bytesOut.Load(),
		}
		info.QueueFrames, info.QueueBytes, info.Lagging = r.queue.state()
		if since := r.since.Load(); since != nil {
			info.Connected, info.Since = true, *since
		}
		for _, c := range n.host.Network().ConnsToPeer(r.id) {
			info.Addrs = append(info.Addrs, c.RemoteMultiaddr())
		}
		out = append(out, info)
	}
	return out
}
