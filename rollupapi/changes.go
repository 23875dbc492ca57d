package rollupapi

import (
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// changes are the states that this node saw an item in, oldest first. Commit is where it stands; nil if it
// stands nowhere or is pruned.
func (s *Server) changes(e *tracked, r *result, commit *ordering.Commit) []*pb.StateChange {
	var out []*pb.StateChange
	if !e.received.IsZero() {
		out = append(out, &pb.StateChange{State: pb.State_STATE_RECEIVED, UnixMs: uint64(e.received.UnixMilli()), By: s.backend.Name})
	}
	if !e.included.IsZero() {
		out = append(out, &pb.StateChange{
			State: pb.State_STATE_INCLUDED, Round: uint64(e.round), UnixMs: uint64(e.included.UnixMilli()), By: e.by.String(),
		})
	}
	switch {
	case placedState(r.state):
		out = append(out, committedChange(r.at, commit))
		if r.state != pb.State_STATE_COMMITTED {
			out = append(out, &pb.StateChange{State: r.state, Commit: uint64(r.at.Commit), Index: r.at.Index, Reason: r.reason()})
		}
	case r.state == pb.State_STATE_EXPIRED && e.until != 0:
		out = append(out, &pb.StateChange{State: r.state, Commit: uint64(e.until) + 1, Reason: r.reason()})
	case r.state == pb.State_STATE_EXPIRED, r.state == pb.State_STATE_REJECTED:
		out = append(out, &pb.StateChange{State: r.state, Reason: r.reason()})
	}
	return out
}

// committedChange is an item's coming to its place.
func committedChange(at Location, commit *ordering.Commit) *pb.StateChange {
	m := &pb.StateChange{State: pb.State_STATE_COMMITTED, Commit: uint64(at.Commit), Index: at.Index}
	if commit == nil || int(at.Index) >= len(commit.Accepted) {
		return m
	}
	m.Round, m.UnixMs = uint64(commit.Round), commit.Time
	if block := int(commit.Accepted[at.Index].Block); block < len(commit.Bodies) {
		m.By = commit.Bodies[block].Block().Author.String()
	}
	return m
}

// reason is why the result is a refusal; empty if it is none.
func (r *result) reason() string {
	if r.refused == nil {
		return ""
	}
	return string(r.refused.Reason)
}

// stateChangeJSON is StateChange in the JSON forms.
type stateChangeJSON struct {
	State  string          `json:"state"`
	Round  dag.Round       `json:"round,omitempty"`
	Commit dag.CommitIndex `json:"commit,omitempty"`
	Index  *uint32         `json:"index,omitempty"`
	UnixMS uint64          `json:"unix_ms,omitempty"`
	By     string          `json:"by,omitempty"`
	Reason string          `json:"reason,omitempty"`
}

func newChangesJSON(changes []*pb.StateChange) []stateChangeJSON {
	var out []stateChangeJSON
	for _, m := range changes {
		j := stateChangeJSON{
			State: stateName(m.GetState()), Round: dag.Round(m.GetRound()), Commit: dag.CommitIndex(m.GetCommit()), UnixMS: m.GetUnixMs(),
			By: m.GetBy(), Reason: m.GetReason(),
		}
		if placedState(m.GetState()) {
			index := m.GetIndex()
			j.Index = &index
		}
		out = append(out, j)
	}
	return out
}
