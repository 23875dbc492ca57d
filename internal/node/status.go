package node

import (
	"fmt"
	"time"

	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/rollupapi"
)

func (n *node) role() rollupapi.Role {
	if n.self == ordering.Observer {
		return rollupapi.RoleObserver
	}
	return rollupapi.RoleValidator
}

// Status is how the node is doing. It is rollupapi.NodeInfo's method and safe for concurrent use.
func (n *node) Status() rollupapi.NodeStatus {
	e, head := n.loop.status.Load(), n.store.Head()
	s := rollupapi.NodeStatus{
		Name: n.home.Config.Name, NetworkID: n.committee.Network(), Chain: n.home.Genesis.Chain, Version: n.version,
		Role: n.role(), Epoch: n.committee.Epoch(), Round: e.Round, Commit: head.Index, CommitDigest: head.Digest,
		Proposing: e.Proposing, Reason: e.Reason, PoolItems: e.PoolItems, PoolBytes: e.PoolBytes,
		Started: n.started.UnixMilli(), Uptime: time.Since(n.started).Milliseconds(), Behind: e.BehindCommits,
		ETA:          n.progress.eta(e.BehindCommits).Milliseconds(),
		Equivocators: e.Exposed,
	}
	if n.self != ordering.Observer {
		s.Author = n.self.String()
	}
	for _, p := range n.network.Peers() {
		if !p.Member {
			continue
		}
		if p.Connected {
			s.Peers++
		}
		s.PeerList = append(s.PeerList, rollupapi.PeerStatus{Name: p.Name, Connected: p.Connected, Lagging: p.Lagging})
	}
	if s.Reason == "" && s.Peers+1 < n.committee.Quorum() {
		s.Proposing, s.Reason = false, n.missingQuorum(s.Peers)
	}
	return s
}

// missingQuorum says that too few validators can be reached for the order to go on.
func (n *node) missingQuorum(connected int) string {
	return fmt.Sprintf("waiting for a quorum: connected to %d other validators, %d are needed", connected, n.committee.Quorum()-1)
}
