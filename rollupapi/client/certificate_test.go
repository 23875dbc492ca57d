package client_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dunlin-network/dunlin/crypto/certify"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// certifiedChain is a chain with a certificate key, made in commit 1, and certificates of commits 4 and 9 out of 10.
func certifiedChain(t *testing.T) *apitest.Chain {
	t.Helper()
	chain := apitest.New(t)
	chain.OpenCertificates(t)
	for range 9 {
		chain.Commit(t)
	}
	chain.Certify(t, 4)
	chain.Certify(t, 9)
	return chain
}

func certifyingClient(t *testing.T, chain *apitest.Chain) *client.Client {
	t.Helper()
	url, _ := chain.Serve(t)
	c, err := client.NewFrom(client.Config{Endpoints: []string{url}, Committee: chain.Committee})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCertificate: every commit up to the newest certified one is proven, by its own certificate or the next one;
// later ones are refused as not certified yet.
func TestCertificate(t *testing.T) {
	chain := certifiedChain(t)
	c := certifyingClient(t, chain)
	for i := dag.CommitIndex(1); i <= 9; i++ {
		got, err := c.Certificate(t.Context(), i)
		if err != nil {
			t.Fatalf("commit %d: %v", i, err)
		}
		want := dag.CommitIndex(4)
		if i > 4 {
			want = 9
		}
		header, _, _ := chain.Config().History.Commit(i)
		if got.Certificate.Commit.Index != want || got.Headers[0] != header.CommitHeader || len(got.Headers) != int(want-i)+1 {
			t.Errorf("commit %d: certificate of %d, %d headers", i, got.Certificate.Commit.Index, len(got.Headers))
		}
	}
	if newest, err := c.Certificate(t.Context(), 0); err != nil || newest.Headers[0].Index != 9 {
		t.Errorf("the newest: %+v, %v", newest, err)
	}
	var refused *client.Error
	if _, err := c.Certificate(t.Context(), 10); !errors.As(err, &refused) || refused.Reason != string(rollupapi.ReasonNotCertified) || !refused.Retryable {
		t.Errorf("a commit that is not certified: %v", err)
	}
	if _, err := c.Certificate(t.Context(), 77); !errors.As(err, &refused) || refused.Reason == string(rollupapi.ReasonNotCertified) {
		t.Errorf("a commit that is not there: %v", err)
	}
}

// TestLongChain: a certificate that is further away than one answer reaches is fetched piece by piece.
func TestLongChain(t *testing.T) {
	chain := apitest.New(t)
	chain.OpenCertificates(t)
	const commits = 1300
	for range commits {
		chain.Commit(t)
	}
	chain.Certify(t, commits)
	got, err := certifyingClient(t, chain).Certificate(t.Context(), 2)
	if err != nil || len(got.Headers) != commits-1 || got.More {
		t.Fatalf("%v", err)
	}
}

// TestCertificateKeyIsReplaced: old certificates hold under the old key, new ones under the new key only.
func TestCertificateKeyIsReplaced(t *testing.T) {
	chain := certifiedChain(t)
	chain.OpenCertificates(t) // commit 11
	chain.Commit(t)
	chain.Certify(t, 12)
	c := certifyingClient(t, chain)
	for _, i := range []dag.CommitIndex{3, 10, 12} {
		if _, err := c.Certificate(t.Context(), i); err != nil {
			t.Errorf("commit %d: %v", i, err)
		}
	}
	keys, err := c.CertificateKeys(t.Context())
	if err != nil || len(keys) != 2 || keys[0].Until != 11 || keys[1].From != 12 || keys[0].Public == keys[1].Public {
		t.Errorf("%+v, %v", keys, err)
	}
}

// TestForgedCertificates: whatever a node changes in what it serves is noticed.
func TestForgedCertificates(t *testing.T) {
	chain := certifiedChain(t)
	url, _ := chain.Serve(t)
	var update rollupapi.LightUpdateJSON
	var answer rollupapi.CertificateJSON
	load(t, url+"/v1/light-update", &update)
	load(t, url+"/v1/commits/6/certificate", &answer)
	keys, err := client.ReadCertificateKeys(update.Message())
	if err != nil {
		t.Fatal(err)
	}
	verify := func(change func(*pb.GetCertificateResponse)) error {
		m := answer.Message()
		if change != nil {
			change(m)
		}
		c, err := client.ReadCertified(m)
		if err != nil {
			return err
		}
		return c.Verify(keys)
	}
	if err := verify(nil); err != nil {
		t.Fatal(err)
	}
	flip := func(b []byte, at int) []byte {
		out := append([]byte(nil), b...)
		out[at] ^= 1
		return out
	}
	for name, change := range map[string]func(*pb.GetCertificateResponse){
		"first header":    func(m *pb.GetCertificateResponse) { m.Headers[0] = flip(m.Headers[0], 100) },
		"last header":     func(m *pb.GetCertificateResponse) { m.Headers[3] = flip(m.Headers[3], 100) },
		"header left out": func(m *pb.GetCertificateResponse) { m.Headers = append(m.Headers[:1:1], m.Headers[2:]...) },
		"headers cut":     func(m *pb.GetCertificateResponse) { m.Headers = m.Headers[:2] },
		"header malformed": func(m *pb.GetCertificateResponse) {
			m.Headers[1] = m.Headers[1][:7]
		},
		"no headers":      func(m *pb.GetCertificateResponse) { m.Headers = nil },
		"signature":       func(m *pb.GetCertificateResponse) { m.Certificate.Signature = flip(m.Certificate.Signature, 40) },
		"short signature": func(m *pb.GetCertificateResponse) { m.Certificate.Signature = m.Certificate.Signature[1:] },
		"digest":          func(m *pb.GetCertificateResponse) { m.Certificate.Digest = flip(m.Certificate.Digest, 3) },
		"commit":          func(m *pb.GetCertificateResponse) { m.Certificate.Commit++ },
		"epoch":           func(m *pb.GetCertificateResponse) { m.Certificate.Epoch++ },
		"unknown key":     func(m *pb.GetCertificateResponse) { m.Certificate.KeyId++ },
	} {
		if err := verify(change); !errors.Is(err, client.ErrUncertified) {
			t.Errorf("%s: %v", name, err)
		}
	}
	keys[0].From = 10
	if err := verify(nil); !errors.Is(err, client.ErrUncertified) {
		t.Errorf("a key that did not serve: %v", err)
	}
}

// TestForgedCertificateKeys: a key is the one that the validators' signed deals make, or it is refused.
func TestForgedCertificateKeys(t *testing.T) {
	chain := certifiedChain(t)
	url, _ := chain.Serve(t)
	var update rollupapi.LightUpdateJSON
	load(t, url+"/v1/light-update", &update)
	other := otherKey(t)
	prove := func(change func(*pb.CertificateKey)) error {
		m := update.Message()
		change(m.Keys[0])
		keys, err := client.ReadCertificateKeys(m)
		if err != nil {
			return err
		}
		return keys[0].Prove(chain.Committee)
	}
	if err := prove(func(*pb.CertificateKey) {}); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*pb.CertificateKey){
		"another key":   func(k *pb.CertificateKey) { k.Key = other[:] },
		"no key":        func(k *pb.CertificateKey) { k.Key = make([]byte, len(k.Key)) },
		"short key":     func(k *pb.CertificateKey) { k.Key = k.Key[1:] },
		"scheme":        func(k *pb.CertificateKey) { k.Scheme = "other" },
		"network":       func(k *pb.CertificateKey) { k.NetworkId = k.NetworkId[:62] + "00" },
		"epoch":         func(k *pb.CertificateKey) { k.Epoch++ },
		"key id":        func(k *pb.CertificateKey) { k.KeyId++ },
		"attempt":       func(k *pb.CertificateKey) { k.Attempt++ },
		"threshold":     func(k *pb.CertificateKey) { k.Threshold-- },
		"deal left out": func(k *pb.CertificateKey) { k.Origins = k.Origins[1:] },
		"few deals":     func(k *pb.CertificateKey) { k.Origins = k.Origins[:2] },
		"deal changed":  func(k *pb.CertificateKey) { k.Origins[0].Deal[200] ^= 1 },
		"dealer":        func(k *pb.CertificateKey) { k.Origins[0].Dealer = "B" },
		"no dealer":     func(k *pb.CertificateKey) { k.Origins[0].Dealer = "?" },
		"no block":      func(k *pb.CertificateKey) { k.Origins[1].Block = nil },
		"other block":   func(k *pb.CertificateKey) { k.Origins[1].Block = k.Origins[2].Block },
		"block changed": func(k *pb.CertificateKey) { k.Origins[1].Block[60] ^= 1 },
		"one deal twice": func(k *pb.CertificateKey) {
			k.Origins[1] = k.Origins[0]
		},
	} {
		if err := prove(change); !errors.Is(err, client.ErrOrigin) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// otherKey is a key that is not the network's first.
func otherKey(t *testing.T) certify.PublicKey {
	t.Helper()
	chain := apitest.New(t)
	chain.OpenCertificates(t)
	chain.OpenCertificates(t)
	other, err := certify.NewPublicKey(chain.CertificateKeys()[1].Public)
	if err != nil {
		t.Fatal(err)
	}
	return other
}

func load(t *testing.T, url string, into any) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s, %v", url, answer.Status, raw, err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

// TestDocsExample: the example in docs/certificates.md holds, and is what a node answers.
func TestDocsExample(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "certificates.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "```json\n")
	example, rest, found := strings.Cut(rest, "\n```")
	_, rest, _ = strings.Cut(rest, "```\n")
	key, _, keyFound := strings.Cut(rest, "\n```")
	if !found || !keyFound {
		t.Fatal("there is no example")
	}
	var form rollupapi.CertificateJSON
	if err := json.Unmarshal([]byte(example), &form); err != nil {
		t.Fatal(err)
	}
	got, err := client.ReadCertified(form.Message())
	if err != nil {
		t.Fatal(err)
	}
	public, err := hex.DecodeString(key)
	if err != nil || len(public) != certify.PublicKeySize {
		t.Fatalf("key %q: %v", key, err)
	}
	chain := certifiedChain(t)
	trusted := client.CertificateKey{ID: 1, Public: certify.PublicKey(public), Network: chain.Committee.Network(), From: 2}
	if err := got.Verify([]client.CertificateKey{trusted}); err != nil {
		t.Error(err)
	}
	url, _ := chain.Serve(t)
	var answer rollupapi.CertificateJSON
	load(t, url+"/v1/commits/3/certificate", &answer)
	if !proto.Equal(answer.Message(), form.Message()) {
		t.Errorf("a node answers %+v", answer)
	}
}

// TestReadCertified: a reader at CERTIFIED sees a commit when it is certified, and not before.
func TestReadCertified(t *testing.T) {
	chain := certifiedChain(t)
	chain.Commit(t, []dag.Item{chain.OpenItem(t, apitest.Open, "x")})
	c := certifyingClient(t, chain)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen := make(chan dag.CommitIndex)
	go func() {
		defer close(seen)
		s := client.Selection{Namespaces: []dag.Namespace{apitest.Open}, Cursor: "genesis", MinState: client.Certified}
		_ = c.FollowEvents(ctx, s, func(e client.Event) error { // until ctx ends
			for _, item := range e.Items {
				seen <- item.Commit
			}
			return nil
		})
	}()
	before := chain.Waits()
	for chain.Waits() == before {
		time.Sleep(time.Millisecond)
	}
	select {
	case i := <-seen:
		t.Fatalf("commit %d before it is certified", i)
	default:
	}
	chain.Commit(t)
	chain.Certify(t, 12)
	if i := <-seen; i != 11 {
		t.Errorf("commit %d", i)
	}
	cancel()
	for range seen {
	}
}
