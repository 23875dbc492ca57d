package rollupapi

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/dunlin-network/dunlin/dag"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// parseSubmitSealed reads the body of POST /v1/submit/sealed. Errors are Refusals.
func (s *Server) parseSubmitSealed(raw []byte) ([]dag.Sealed, terms, error) {
	var body submitSealedJSON
	if err := strictly(raw, &body); err != nil {
		return nil, terms{}, err
	}
	t, err := body.terms()
	if err != nil {
		return nil, t, err
	}
	items := make([]dag.Sealed, len(body.Items))
	for i := range body.Items {
		if items[i], err = s.sealedItem(&body.Items[i]); err != nil {
			return nil, t, err
		}
	}
	return items, t, nil
}

// sealedItem finds the namespaces that an item names.
func (s *Server) sealedItem(j *sealedItemJSON) (dag.Sealed, error) {
	item := dag.Sealed{ValidUntil: dag.CommitIndex(j.ValidUntil), Sender: j.Sender, Signature: j.Signature, Ciphertext: j.Ciphertext}
	if len(j.Namespaces) > dag.MaxBundleNamespaces {
		return item, over(ReasonSealedMalformed, dag.MaxBundleNamespaces, "%d namespaces, want 1 to %d", len(j.Namespaces), dag.MaxBundleNamespaces).at("namespaces")
	}
	for _, name := range j.Namespaces {
		rule, err := s.namespace(string(name))
		if err != nil {
			return item, err
		}
		item.Namespaces = append(item.Namespaces, rule.ID)
	}
	return item, nil
}

func (s *Server) restSubmitSealed(w http.ResponseWriter, r *http.Request) error {
	raw, err := readBody(r, maxBodyBytes)
	if err != nil {
		return err
	}
	items, t, err := s.parseSubmitSealed(raw)
	if err != nil {
		return err
	}
	a, err := s.takeSealed(r.Context(), items, t.under(r))
	if err != nil {
		return err
	}
	return s.writeResults(w, a)
}

// restEncryptionKey serves the key that users seal with, or the one that ?id= names, with ?deals=true
// its whole proof of origin.
func (s *Server) restEncryptionKey(w http.ResponseWriter, r *http.Request) error {
	ask, err := encryptionKeyAsked(r.URL.Query())
	if err != nil {
		return err
	}
	answer, err := s.encryptionKey(ask)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, newEncryptionKeyJSON(answer))
}

func encryptionKeyAsked(q url.Values) (*pb.GetEncryptionKeyRequest, error) {
	id, err := queryNumber(q, "id", 64)
	if err != nil {
		return nil, err
	}
	ask := &pb.GetEncryptionKeyRequest{KeyId: id}
	switch word := q.Get("deals"); word {
	case "", "false":
	case "true":
		ask.WithDeals = true
	default:
		return nil, refuse(ReasonRequestMalformed, "deals=%q is neither true nor false", clip(word)).at("deals")
	}
	return ask, nil
}

// rpcSendEncrypted submits one ciphertext for the path's namespace and answers its id once it is in a
// block on disk; sent again, it answers the same.
func (s *Server) rpcSendEncrypted(ctx context.Context, rule *dag.NamespaceRule, params []json.RawMessage) (any, error) {
	var body sealedItemJSON
	if len(params) != 1 {
		return nil, refuse(ReasonRequestMalformed, "%d params, want one: an object with ciphertext and valid_until_commit", len(params))
	}
	if err := strictly(params[0], &body); err != nil {
		return nil, err
	}
	if body.Namespaces != nil {
		return nil, refuse(ReasonRequestMalformed, "the path names the namespace: leave out namespaces, or use POST /v1/submit/sealed").at("namespaces")
	}
	item, err := s.sealedItem(&body)
	if err != nil {
		return nil, err
	}
	item.Namespaces = []dag.Namespace{rule.ID}
	wait, err := newWait(pb.Wait_WAIT_INCLUDED, 0)
	if err != nil {
		return nil, err
	}
	a, err := s.takeSealed(ctx, []dag.Sealed{item}, terms{wait: wait})
	if err != nil {
		return nil, err
	}
	switch one := &a.results[0]; {
	case one.refused != nil && one.state != pb.State_STATE_REVEAL_FAILED:
		return nil, one.refused
	case one.state == pb.State_STATE_RECEIVED:
		return nil, refuse(ReasonBusy, "the ciphertext was taken but is in no block yet: send it again or ask for its status, %s", one.id)
	}
	return "0x" + hex.EncodeToString(a.results[0].id[:]), nil
}

// rpcEncryptionKey answers the key that users seal with.
func (s *Server) rpcEncryptionKey(params []json.RawMessage) (any, error) {
	if len(params) != 0 {
		return nil, refuse(ReasonRequestMalformed, "%d params, want none", len(params))
	}
	answer, err := s.encryptionKey(&pb.GetEncryptionKeyRequest{})
	if err != nil {
		return nil, err
	}
	return newEncryptionKeyJSON(answer), nil
}
