package rollupapi

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// bundleJSON is the body of POST /v1/submit/bundle, and the parameter of dunlin_sendBundle.
type bundleJSON struct {
	Legs []struct {
		Namespace namespaceName `json:"namespace"`
		Payload   hexBytes      `json:"payload"`
	} `json:"legs"`
	ValidUntil uint64   `json:"valid_until_commit"`
	Sender     hexBytes `json:"sender"`
	Signature  hexBytes `json:"signature"`
	termsJSON
}

// parseBundle reads a bundle. A leg that names no namespace is of the one without. Errors are Refusals.
func (s *Server) parseBundle(raw []byte, without string) (*dag.Bundle, terms, error) {
	var body bundleJSON
	if err := strictly(raw, &body); err != nil {
		return nil, terms{}, err
	}
	t, err := body.terms()
	if err != nil {
		return nil, t, err
	}
	if len(body.Legs) == 0 || len(body.Legs) > dag.MaxBundleLegs {
		return nil, t, over(ReasonBundleMalformed, dag.MaxBundleLegs, "bundle of %d legs, want 1 to %d", len(body.Legs), dag.MaxBundleLegs).at("legs")
	}
	b := &dag.Bundle{Mode: dag.ModeInclusion, ValidUntil: dag.CommitIndex(body.ValidUntil), Sender: body.Sender, Signature: body.Signature}
	for i := range body.Legs {
		name := string(body.Legs[i].Namespace)
		if name == "" {
			name = without
		}
		rule, err := s.namespace(name)
		if err != nil {
			return nil, t, err
		}
		b.Legs = append(b.Legs, dag.Leg{Namespace: rule.ID, Payload: body.Legs[i].Payload})
	}
	return b, t, nil
}

func (s *Server) restSubmitBundle(w http.ResponseWriter, r *http.Request) error {
	raw, err := readBody(r, maxBodyBytes)
	if err != nil {
		return err
	}
	b, t, err := s.parseBundle(raw, "")
	if err != nil {
		return err
	}
	a, err := s.takeBundle(r.Context(), b, t.under(r))
	if err != nil {
		return err
	}
	return s.writeResults(w, a)
}

// rpcSendBundle submits a bundle and answers its id once it is as far as wait says, in a block on disk if it
// does not say; sent again, it answers the same.
func (s *Server) rpcSendBundle(ctx context.Context, rule *dag.NamespaceRule, params []json.RawMessage) (any, error) {
	if len(params) != 1 {
		return nil, refuse(ReasonRequestMalformed, "%d params, want one: an object with legs", len(params))
	}
	b, t, err := s.parseBundle(params[0], rule.Name)
	if err != nil {
		return nil, err
	}
	a, err := s.takeBundle(ctx, b, t)
	if err != nil {
		return nil, err
	}
	switch one := &a.results[0]; {
	case one.refused != nil:
		return nil, one.refused
	case one.state == pb.State_STATE_RECEIVED && t.wait.included():
		return nil, refuse(ReasonBusy, "the bundle was taken but is in no block yet: send it again or ask for its status, %s", one.id)
	}
	return "0x" + hex.EncodeToString(a.results[0].id[:]), nil
}

// proofJSON is the parameter of dunlin_getProof.
type proofJSON struct {
	ID       hexBytes `json:"id"`
	Commit   uint64   `json:"commit"`
	ToCommit uint64   `json:"to_commit"`
}

// rpcGetProof answers the proofs of an item (its id or Ethereum hash), or of all that the namespace got in a
// commit or a range of them.
func (s *Server) rpcGetProof(rule *dag.NamespaceRule, params []json.RawMessage) (any, error) {
	var body proofJSON
	if len(params) != 1 {
		return nil, refuse(ReasonRequestMalformed, "%d params, want one: an object with id, or with commit and to_commit", len(params))
	}
	if err := strictly(params[0], &body); err != nil {
		return nil, err
	}
	ask := &pb.GetProofRequest{Namespace: uint64(rule.ID), Commit: body.Commit, ToCommit: body.ToCommit}
	if body.ID != nil {
		if len(body.ID) != crypto.DigestSize {
			return nil, refuse(ReasonRequestMalformed, "id of %d bytes, want %d", len(body.ID), crypto.DigestSize).at("id")
		}
		id := crypto.Digest(body.ID)
		if known, ok := s.hashes.find(id); ok {
			id = known
		}
		ask.Id = id[:]
	}
	answer, err := s.prove(ask)
	if err != nil {
		return nil, err
	}
	return s.documents(answer.GetProofs()), nil
}
