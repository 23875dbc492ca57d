package rollupapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1/dunlinv1connect"
)

// TestEncryptionKey: the key with its origins, over Connect and REST; old keys by their id; and how far
// the first one is.
func TestEncryptionKey(t *testing.T) {
	c := apitest.New(t)
	url, _ := c.Serve(t)
	c.GenerateKey(keygen.Status{Phase: keygen.Dealing, Key: 1, Deals: 2, Excluded: []dag.Author{3}})
	if status, body := get(t, url+"/v1/encryption-key"); status != 503 || reasonIn(t, body) != "SEALING_NOT_READY" || !strings.Contains(string(body), "DEALING): 2 validators have dealt") {
		t.Errorf("%d %s", status, body)
	}
	if _, body := get(t, url+"/v1/info"); !strings.Contains(string(body), `"sealing":{"phase":"DEALING","key_id":1,"attempt":0,"deals":2,"acks":0,"validators":4,"deadline_commit":0,"excluded":["v3"],"serving_key_id":0,"serving_from_commit":0,"threshold":0}`) {
		t.Errorf("%s", body)
	}
	c.OpenSealing(t)
	first := c.Key()
	c.Commit(t)
	c.OpenSealing(t)
	ingress := dunlinv1connect.NewIngressClient(web(t), url)
	for _, test := range []struct {
		ask         *pb.GetEncryptionKeyRequest
		id          uint64
		from, until uint64
		key         []byte
	}{
		{&pb.GetEncryptionKeyRequest{}, 2, 4, 0, c.Key().Bytes()},
		{&pb.GetEncryptionKeyRequest{KeyId: 2, WithDeals: true}, 2, 4, 0, c.Key().Bytes()},
		{&pb.GetEncryptionKeyRequest{KeyId: 1}, 1, 2, 3, first.Bytes()},
	} {
		answer, err := ingress.GetEncryptionKey(t.Context(), test.ask)
		if err != nil {
			t.Fatal(err)
		}
		k := answer.GetKey()
		if k.GetScheme() != "TDH2-RISTRETTO255" || k.GetKeyId() != test.id || !bytes.Equal(k.GetKey(), test.key) || k.GetThreshold() != 3 || k.GetValidators() != 4 ||
			len(k.GetPublicShares()) != 4 || k.GetValidFromCommit() != test.from || k.GetValidUntilCommit() != test.until || k.GetNetworkId() != c.Committee.Network().String() {
			t.Errorf("%v: %v", test.ask, k)
		}
		for i, o := range k.GetOrigins() {
			if o.GetDealer() != dag.Author(i).String() || o.GetCommit() != test.from-1 || len(o.GetDigest()) != 32 || (len(o.GetDeal()) > 0) != test.ask.GetWithDeals() {
				t.Errorf("%v: origin %v", test.ask, o)
			}
		}
		if g := answer.GetGeneration(); len(k.GetOrigins()) != 4 || g.GetPhase() != "READY" || g.GetServingKeyId() != 2 {
			t.Errorf("%v: %d origins, %v", test.ask, len(k.GetOrigins()), g)
		}
	}
	if _, err := ingress.GetEncryptionKey(t.Context(), &pb.GetEncryptionKeyRequest{KeyId: 3}); infoOf(t, err).GetReason() != "NOT_FOUND" {
		t.Errorf("key 3: %v", err)
	}
	_, short := get(t, url+"/v1/encryption-key?id=1")
	_, long := get(t, url+"/v1/encryption-key?deals=true")
	if !strings.Contains(string(short), fmt.Sprintf(`"key_id":1,"key":"0x%x","threshold":3`, first.Bytes())) || strings.Contains(string(short), "deal\":") {
		t.Errorf("%s", short)
	}
	if strings.Count(string(long), `"deal":"0x01`) != 4 {
		t.Errorf("%s", long)
	}
	if status, _ := get(t, url+"/v1/encryption-key?deals=yes"); status != 400 {
		t.Errorf("deals=yes: %d", status)
	}
}

// TestNodeTellsSealing: GetNode says which key serves, and what the oldest commit that is not opened waits for.
func TestNodeTellsSealing(t *testing.T) {
	c := apitest.New(t)
	c.OpenSealing(t)
	c.Commit(t, []dag.Item{c.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: []byte("x")})})
	c.Shares(2)
	url, _ := c.Serve(t)
	node, err := dunlinv1connect.NewReadClient(web(t), url).GetNode(t.Context(), &pb.GetNodeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	n := node.GetNode()
	if k := n.GetSealing(); k.GetServingKeyId() != 1 || k.GetServingFromCommit() != 2 || k.GetThreshold() != 3 || k.GetPhase() != "READY" {
		t.Errorf("%v", k)
	}
	if n.GetRevealed() != 1 || n.GetReveal().GetText() != "2 of 3 shares, missing v2 v3" {
		t.Errorf("%d, %v", n.GetRevealed(), n.GetReveal())
	}
}

// TestRevealsBehind: what is sealed is refused by every way in while too much of what is committed waits for its
// reveals, and only then; what is not sealed is taken.
func TestRevealsBehind(t *testing.T) {
	c := apitest.New(t)
	c.OpenSealing(t)
	url, _ := c.Serve(t)
	ingress := dunlinv1connect.NewIngressClient(web(t), url)
	item := c.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: []byte("secret")})
	s := item.Sealed()
	c.Commit(t, []dag.Item{c.SealedItem(t, dag.Leg{Namespace: apitest.Open, Payload: []byte("never opened")})})
	for range rollupapi.MaxUnrevealed - 1 {
		c.Commit(t, nil)
	}
	request := &pb.SubmitSealedRequest{Items: []*pb.SealedItem{sealedMessage(s)}}
	if _, err := ingress.SubmitSealed(t.Context(), request); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	head := c.Commit(t, nil).Index
	var refused *connect.Error
	if _, err := ingress.SubmitSealed(t.Context(), request); !errors.As(err, &refused) || refused.Code() != connect.CodeUnavailable || !strings.Contains(err.Error(), "1001 commits wait for their reveals, limit 1000") {
		t.Errorf("past the limit: %v", err)
	}
	body := fmt.Sprintf(`{"namespaces":[1003],"ciphertext":"0x%x","valid_until_commit":%d}`, s.Ciphertext, s.ValidUntil)
	response, err := web(t).Post(url+"/v1/submit/sealed", "application/json", strings.NewReader(`{"items":[`+body+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	var problem struct {
		Reason    string `json:"reason"`
		Retryable bool   `json:"retryable"`
		Limit     uint64 `json:"limit"`
	}
	err = json.NewDecoder(response.Body).Decode(&problem)
	_ = response.Body.Close()
	if err != nil || response.StatusCode != http.StatusServiceUnavailable || problem.Reason != "REVEALS_BEHIND" || !problem.Retryable || problem.Limit != rollupapi.MaxUnrevealed {
		t.Errorf("REST: %d, %+v, %v", response.StatusCode, problem, err)
	}
	admission := c.Config().Admission
	var r *rollupapi.Refusal
	if _, err := admission.Encoded(t.Context(), head, item.Raw); !errors.As(err, &r) || r.Reason != rollupapi.ReasonRevealsBehind || r.RetryAfter() == 0 {
		t.Errorf("gossip: %v", err)
	}
	if _, err := admission.Encoded(t.Context(), head, c.OpenItem(t, apitest.Open, "plain").Raw); err != nil {
		t.Errorf("what is not sealed: %v", err)
	}
	_, info := get(t, url+"/v1/info")
	if !strings.Contains(string(info), `"unrevealed":1000`) {
		t.Errorf("%s", info)
	}
	c.RevealAll(t)
	if _, err := ingress.SubmitSealed(t.Context(), request); err != nil {
		t.Errorf("after the reveals: %v", err)
	}
}
