package rollupapi

import (
	"context"
	"encoding/hex"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// controlChunk is how many controls one goroutine checks at a time, of up to dag.MaxControlSignatures
// signatures of 0.06 ms each.
const controlChunk = 8

// checkControls refuses controls that would change nothing if they came into the next commit.
func (a *Admission) checkControls(ctx context.Context, head dag.CommitIndex, payloads [][]byte, out []Admitted) error {
	registry := a.registry.Registry()
	return a.spread(ctx, len(payloads), controlChunk, func(from, to int) {
		for i := from; i < to; i++ {
			if out[i].Refused == nil {
				out[i].Refused = checkControl(registry, a.network, head, payloads[i])
			}
		}
	})
}

func checkControl(registry *dag.Registry, network crypto.Digest, head dag.CommitIndex, payload []byte) *Refusal {
	c, err := dag.DecodeControl(payload)
	if err != nil {
		return refuse(ReasonControlRefused, "%s: make it with dunlin namespace", err).at("payloads")
	}
	result := registry.Examine(c, head+1)
	if result == dag.Applied && !registry.Authorised(network, c) {
		result = dag.ControlForbidden
	}
	if why := controlReasons[result]; why != "" {
		return refuse(ReasonControlRefused, "%s of namespace %d: %s: %s", c.Kind, c.Rule.ID, result, why).at("payloads")
	}
	return nil
}

// controlReasons says of each result what is wrong and what to do about it.
var controlReasons = map[dag.ControlResult]string{
	dag.ControlMalformed: "the rule cannot be one: see dunlin namespace register --help",
	dag.ControlExpired:   "its last commit has passed, or lies more than 4096 commits ahead: sign it anew",
	dag.ControlVersion:   "it was made for another version of the rule: look at the present one and sign anew",
	dag.ControlTaken:     "the id or the name is taken: choose another; those of closed namespaces are not given again",
	dag.ControlUnknown:   "there is no such namespace: register it",
	dag.ControlClosed:    "the namespace is closed for good",
	dag.ControlFixed:     "scheme and chain id of a namespace are for life: register another",
	dag.ControlFull:      "no more namespaces are let in this way: ask the network's admins",
	dag.ControlForbidden: "it needs the owner's signature, who decides about neither weight nor quota, or those of as many admins as the genesis says, and none of anybody else's",
	dag.ControlCrowded:   "its block held too many: submit it again, signed anew",
}

// controlResult is what an accepted control came to; empty for what is none.
func controlResult(c *ordering.Commit, index uint32) string {
	for _, r := range c.Controls {
		if r.Accepted == index {
			return r.Result.String()
		}
	}
	return ""
}

func namespaceInfo(r *dag.NamespaceRule) *pb.NamespaceInfo {
	return &pb.NamespaceInfo{
		Id: uint64(r.ID), Name: r.Name, Scheme: string(r.Scheme), ChainId: r.ChainID, AllowUnprotected: r.AllowUnprotected,
		Weight: uint32(max(r.Weight, 1)), Quota: uint32(r.Quota), Owner: keyText(r.Owner), Version: r.Version, Closed: r.Closed,
	}
}

// keyText is a key in hex, and nothing for none.
func keyText(k crypto.PublicKey) string {
	if k == (crypto.PublicKey{}) {
		return ""
	}
	return hex.EncodeToString(k[:])
}

func adminInfo(r *dag.Registry) *pb.AdminInfo {
	if !r.Changeable() {
		return nil
	}
	admin := r.Admin()
	m := &pb.AdminInfo{Threshold: uint32(admin.Threshold), Open: uint32(admin.Open), OpenQuota: uint32(admin.OpenQuota), Opened: uint32(r.Opened())}
	for _, k := range admin.Keys {
		m.Keys = append(m.Keys, k.String())
	}
	return m
}

// adminJSON is AdminInfo in the JSON forms.
type adminJSON struct {
	dag.AdminRule
	Opened int `json:"opened"`
}

func newAdminJSON(r *dag.Registry) *adminJSON {
	if !r.Changeable() {
		return nil
	}
	a := &adminJSON{r.Admin(), r.Opened()}
	if a.Keys == nil {
		a.Keys = []crypto.PublicKey{}
	}
	return a
}
