package node

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/p2p"
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
		PoolItems: e.PoolItems, PoolBytes: e.PoolBytes,
		Started: n.started.UnixMilli(), Uptime: time.Since(n.started).Milliseconds(), Behind: e.BehindCommits,
		ETA:          n.progress.eta(e.BehindCommits).Milliseconds(),
		Equivocators: e.Exposed,
	}
	if n.self != ordering.Observer {
		s.Author = n.self.String()
	}
	peers := n.network.Peers()
	for _, p := range peers {
		if !p.Member {
			continue
		}
		if p.Connected {
			s.Peers++
		}
		s.PeerList = append(s.PeerList, rollupapi.PeerStatus{Name: p.Name, Connected: p.Connected, Lagging: p.Lagging})
	}
	s.Reason = n.silence(e, peers)
	s.Proposing = s.Reason == ""
	n.tellBeginning(&s)
	if at := n.archive.Load(); at != nil {
		s.Archive = *at
	}
	return s
}

// silence is why a node takes no part in the order, empty if it does: what the engine says, and which
// validators are missing where too few can be reached for the order to go on.
func (n *node) silence(e *ordering.Status, peers []p2p.PeerInfo) string {
	members, strangers := 0, 0
	var missing []string
	for _, p := range peers {
		switch {
		case p.Member && p.Connected:
			members++
		case p.Member:
			missing = append(missing, p.Name)
		case p.Connected:
			strangers++
		}
	}
	if n.self == ordering.Observer {
		return e.Reason
	}
	if members+1 >= n.committee.Quorum() {
		return cmp.Or(e.Reason, n.standstill(e))
	}
	reason := fmt.Sprintf("waiting for a quorum: connected to %d other validators, %d are needed; missing %s",
		members, n.committee.Quorum()-1, strings.Join(missing, " "))
	if strangers > 0 {
		reason += fmt.Sprintf("; connected to %d nodes that are no validators, whose word counts for nothing", strangers)
	}
	reason += "; look at p2p.peers in " + ConfigFile + " and at what lies between"
	if e.Reason != "" {
		reason = e.Reason + "; " + reason
	}
	return reason
}

// Standing is how far the node has come. It is rollupapi.NodeInfo's method and safe for concurrent use.
func (n *node) Standing() rollupapi.Standing {
	e := n.loop.status.Load()
	return rollupapi.Standing{Round: e.Round, Behind: e.BehindCommits}
}

// standstill is whose blocks are missing where the validators that can be reached make no new round; empty while
// they do.
func (n *node) standstill(e *ordering.Status) string {
	stood := n.progress.stood(time.Now())
	if stood < troubleAfter {
		return ""
	}
	var absent []string
	for _, a := range e.Absent {
		absent = append(absent, n.committee.Validator(a).Name)
	}
	return fmt.Sprintf("waiting for a quorum: no new round for %v; no block of round %d yet from %s: ask these with dunlin status",
		stood.Round(time.Second), e.Round, strings.Join(absent, " "))
}

// Registry is the namespaces as of the newest commit. It is rollupapi.Namespaces' method and safe for
// concurrent use.
func (n *node) Registry() *dag.Registry { return n.loop.names.Load() }
