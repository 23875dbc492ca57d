package rollupapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	ethcrypto "github.com/ethereum/go-ethereum/crypto"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/apitest"
)

// realTransaction is one line of the file of transactions from public chains.
type realTransaction struct {
	ChainID uint64 `json:"chain_id"`
	Raw     string `json:"raw"`
	bytes   []byte
}

func realTransactions(t testing.TB) []realTransaction {
	t.Helper()
	f, err := os.Open("testdata/real-transactions.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []realTransaction
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var tx realTransaction
		if err := json.Unmarshal(lines.Bytes(), &tx); err != nil {
			t.Fatal(err)
		}
		if tx.bytes, err = hex.DecodeString(strings.TrimPrefix(tx.Raw, "0x")); err != nil {
			t.Fatal(err)
		}
		out = append(out, tx)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(out) != 52 {
		t.Fatalf("%d transactions in the file, want 52", len(out))
	}
	return out
}

// chainRegistry has one namespace per chain id, 2*id for strict and 2*id+1 for lenient ones.
func chainRegistry(t testing.TB, txs []realTransaction) *dag.Registry {
	t.Helper()
	seen := map[uint64]bool{}
	var rules []dag.NamespaceRule
	for _, tx := range txs {
		if seen[tx.ChainID] {
			continue
		}
		seen[tx.ChainID] = true
		rules = append(rules,
			dag.NamespaceRule{ID: dag.Namespace(2 * tx.ChainID), Scheme: dag.SchemeEthereum, ChainID: tx.ChainID},
			dag.NamespaceRule{ID: dag.Namespace(2*tx.ChainID + 1), Scheme: dag.SchemeEthereum, ChainID: tx.ChainID, AllowUnprotected: true})
	}
	r, err := dag.NewRegistry(rules)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRealTransactions: transactions of public chains are admitted into namespaces of their chain,
// and their bytes come back; unprotected ones only where allowed, blob transactions nowhere.
func TestRealTransactions(t *testing.T) {
	txs := realTransactions(t)
	network := crypto.Hash(crypto.DomainGenesis, []byte("real"))
	admission := rollupapi.NewAdmission(rollupapi.AdmissionConfig{Network: network, Registry: chainRegistry(t, txs), Workers: 2})
	count := map[string]int{}
	for i, tx := range txs {
		var decoded types.Transaction
		if err := decoded.UnmarshalBinary(tx.bytes); err != nil {
			t.Fatalf("transaction %d: %v", i, err)
		}
		kind, strict, lenient := "protected", rollupapi.Reason(""), rollupapi.Reason("")
		switch {
		case decoded.Type() == types.BlobTxType:
			kind, strict, lenient = "blob", rollupapi.ReasonBlobUnsupported, rollupapi.ReasonBlobUnsupported
		case decoded.Type() != types.LegacyTxType:
			kind = fmt.Sprintf("type %d", decoded.Type())
		case !decoded.Protected():
			kind, strict = "unprotected", rollupapi.ReasonUnprotected
		}
		count[kind]++
		for ns, want := range map[uint64]rollupapi.Reason{2 * tx.ChainID: strict, 2*tx.ChainID + 1: lenient} {
			out, err := admission.Transactions(context.Background(), 0, &rollupapi.Submission{Namespace: dag.Namespace(ns), Payloads: [][]byte{tx.bytes}})
			if err != nil {
				t.Fatalf("transaction %d (%s): %v", i, kind, err)
			}
			if got := reasonOf(out[0]); got != want {
				t.Errorf("transaction %d (%s) in namespace %d: %q, want %q: %v", i, kind, ns, got, want, out[0].Refused)
			}
			if out[0].Refused != nil {
				continue
			}
			back := out[0].Item.Transaction()
			if !bytes.Equal(back.Payload, tx.bytes) || back.Namespace != dag.Namespace(ns) || out[0].Item.Signed {
				t.Errorf("transaction %d (%s) does not come back as it was sent", i, kind)
			}
		}
	}
	t.Log(count)
	for _, kind := range []string{"protected", "unprotected", "blob", "type 2", "type 4"} {
		if count[kind] == 0 {
			t.Errorf("no transaction of kind %s was tried", kind)
		}
	}
}

func reasonOf(a rollupapi.Admitted) rollupapi.Reason {
	if a.Refused == nil {
		return ""
	}
	return a.Refused.Reason
}

// ethTx signs an EIP-1559 transaction.
func ethTx(t testing.TB, chain uint64, nonce uint64) []byte {
	t.Helper()
	key, err := ethcrypto.ToECDSA(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	to := common.HexToAddress("0x01")
	tx, err := types.SignNewTx(key, types.LatestSignerForChainID(new(big.Int).SetUint64(chain)), &types.DynamicFeeTx{
		ChainID: new(big.Int).SetUint64(chain), Nonce: nonce, Gas: 21000, To: &to, GasFeeCap: big.NewInt(1), GasTipCap: big.NewInt(1), Value: big.NewInt(1),
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestEthereumRefusals(t *testing.T) {
	c := apitest.New(t)
	admission := rollupapi.NewAdmission(c.AdmissionConfig(2))
	good := ethTx(t, 1001, 0)
	flip := func(at int) []byte {
		out := bytes.Clone(good)
		out[len(out)-at] ^= 0x80
		return out
	}
	for _, test := range []struct {
		name    string
		payload []byte
		want    rollupapi.Reason
	}{
		{"good", good, ""},
		{"of another chain", ethTx(t, 1002, 0), rollupapi.ReasonChainIDMismatch},
		{"cut short", good[:len(good)-1], rollupapi.ReasonTransactionMalformed},
		{"with a byte behind", append(bytes.Clone(good), 0), rollupapi.ReasonTransactionMalformed},
		{"high s", flip(32), rollupapi.ReasonSignatureInvalid},
		{"blob", append([]byte{3}, good[1:]...), rollupapi.ReasonBlobUnsupported},
		{"type 5", append([]byte{5}, good[1:]...), rollupapi.ReasonTransactionMalformed},
		{"text", []byte("hello"), rollupapi.ReasonTransactionMalformed},
		{"empty", nil, rollupapi.ReasonPayloadEmpty},
		{"one byte", []byte{0xc0}, rollupapi.ReasonTransactionMalformed},
		{"too large", make([]byte, dag.MaxTransactionBytes+1), rollupapi.ReasonTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := admission.Transactions(context.Background(), 0, &rollupapi.Submission{Namespace: apitest.Ethereum, Payloads: [][]byte{test.payload}})
			if err != nil {
				t.Fatal(err)
			}
			if got := reasonOf(out[0]); got != test.want {
				t.Errorf("reason %q, want %q: %v", got, test.want, out[0].Refused)
			}
		})
	}
}

// signedBatch is n transactions signed by one key.
func signedBatch(t testing.TB, c *apitest.Chain, n int, until dag.CommitIndex) *rollupapi.Submission {
	t.Helper()
	key, err := crypto.NewIdentityKey(bytes.Repeat([]byte{9}, crypto.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	public := key.Public()
	s := &rollupapi.Submission{Namespace: apitest.Signed, ValidUntil: until, Sender: public[:]}
	for i := range n {
		tx := dag.Transaction{Namespace: apitest.Signed, ValidUntil: until, Payload: fmt.Appendf(nil, "tx %d", i)}
		signature := key.Sign(crypto.DomainTxSignature, tx.SigningDigest(c.Committee.Network()))
		s.Payloads, s.Signatures = append(s.Payloads, tx.Payload), append(s.Signatures, signature[:])
	}
	return s
}

// TestSignedBatch: in a batch over several chunks exactly the wrong signatures are refused.
func TestSignedBatch(t *testing.T) {
	c := apitest.New(t)
	admission := rollupapi.NewAdmission(c.AdmissionConfig(2))
	const n = 300
	s := signedBatch(t, c, n, 5)
	wrong := map[int]bool{0: true, 127: true, 128: true, 299: true}
	for i := range wrong {
		s.Signatures[i] = bytes.Clone(s.Signatures[i])
		s.Signatures[i][3] ^= 1
	}
	out, err := admission.Transactions(context.Background(), 4, s)
	if err != nil {
		t.Fatal(err)
	}
	for i := range out {
		if refused := out[i].Refused != nil; refused != wrong[i] {
			t.Errorf("transaction %d: refused %t, want %t", i, refused, wrong[i])
		}
		if wrong[i] && reasonOf(out[i]) != rollupapi.ReasonSignatureInvalid {
			t.Errorf("transaction %d: %v", i, out[i].Refused)
		}
		if !wrong[i] && !out[i].Item.Signed {
			t.Errorf("transaction %d lost its signature", i)
		}
	}
}

// TestWholeRefusals: what is wrong with the whole submission is one refusal that names the limit.
func TestWholeRefusals(t *testing.T) {
	c := apitest.New(t)
	admission := rollupapi.NewAdmission(c.AdmissionConfig(1))
	signed := func(change func(*rollupapi.Submission)) *rollupapi.Submission {
		s := signedBatch(t, c, 2, 20)
		change(s)
		return s
	}
	open := func(until dag.CommitIndex) *rollupapi.Submission {
		return &rollupapi.Submission{Namespace: apitest.Open, Payloads: [][]byte{{1}}, ValidUntil: until}
	}
	const head = 10
	for _, test := range []struct {
		name string
		s    *rollupapi.Submission
		want rollupapi.Reason
	}{
		{"unknown namespace", &rollupapi.Submission{Namespace: 7, Payloads: [][]byte{{1}}}, rollupapi.ReasonNamespaceUnknown},
		{"no payload", &rollupapi.Submission{Namespace: apitest.Open}, rollupapi.ReasonPayloadEmpty},
		{"unsigned", &rollupapi.Submission{Namespace: apitest.Signed, Payloads: [][]byte{{1}}}, rollupapi.ReasonSignatureMissing},
		{"a signature too few", signed(func(s *rollupapi.Submission) { s.Signatures = s.Signatures[:1] }), rollupapi.ReasonSignatureMissing},
		{"short sender", signed(func(s *rollupapi.Submission) { s.Sender = s.Sender[:31] }), rollupapi.ReasonSignatureInvalid},
		{"short signature", signed(func(s *rollupapi.Submission) { s.Signatures[1] = s.Signatures[1][:63] }), rollupapi.ReasonSignatureInvalid},
		{"no sender", signed(func(s *rollupapi.Submission) { s.Sender = nil }), rollupapi.ReasonSignatureInvalid},
		{"for ever", signed(func(s *rollupapi.Submission) { s.ValidUntil = 0 }), rollupapi.ReasonTooFarAhead},
		{"past", open(head), rollupapi.ReasonExpired},
		{"next commit", open(head + 1), ""},
		{"last of the window", open(head + dag.ValidityWindow), ""},
		{"beyond the window", open(head + dag.ValidityWindow + 1), rollupapi.ReasonTooFarAhead},
		{"node's choice", open(0), ""},
		{"signed Ethereum", signed(func(s *rollupapi.Submission) { s.Namespace = apitest.Ethereum }), rollupapi.ReasonSignatureUnwanted},
		{"good", signed(func(*rollupapi.Submission) {}), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := admission.Transactions(context.Background(), head, test.s)
			var refused *rollupapi.Refusal
			switch {
			case err == nil && test.want == "":
				for i := range out {
					if out[i].Refused != nil {
						t.Errorf("transaction %d: %v", i, out[i].Refused)
					}
				}
			case !errors.As(err, &refused) || refused.Reason != test.want:
				t.Errorf("error %v, want %s", err, test.want)
			case test.want == rollupapi.ReasonTooFarAhead && test.s.ValidUntil != 0 && refused.Limit != dag.ValidityWindow:
				t.Errorf("limit %d, want %d", refused.Limit, dag.ValidityWindow)
			}
		})
	}
}

// TestOpenSigned: an open namespace takes a signature if there is one, but then it must hold.
func TestOpenSigned(t *testing.T) {
	c := apitest.New(t)
	admission := rollupapi.NewAdmission(c.AdmissionConfig(1))
	s := signedBatch(t, c, 1, 20)
	s.Namespace = apitest.Open // what was signed names another namespace
	out, err := admission.Transactions(context.Background(), 0, s)
	if err != nil || reasonOf(out[0]) != rollupapi.ReasonSignatureInvalid {
		t.Errorf("%v, %v, want %s", out, err, rollupapi.ReasonSignatureInvalid)
	}
}

// TestEncoded: what gossip brings goes through the same checks, and nothing is changed by them.
func TestEncoded(t *testing.T) {
	c := apitest.New(t)
	admission := rollupapi.NewAdmission(c.AdmissionConfig(1))
	admit := func(head dag.CommitIndex, raw []byte) (dag.Item, rollupapi.Reason) {
		item, err := admission.Encoded(context.Background(), head, raw)
		var refused *rollupapi.Refusal
		switch {
		case err == nil:
			return item, ""
		case errors.As(err, &refused):
			return item, refused.Reason
		}
		t.Fatal(err)
		return item, ""
	}
	out, err := admission.Transactions(context.Background(), 0, signedBatch(t, c, 1, 20))
	if err != nil {
		t.Fatal(err)
	}
	signed := out[0].Item
	if item, reason := admit(0, signed.Raw); reason != "" || item.ID != signed.ID || !bytes.Equal(item.Raw, signed.Raw) {
		t.Errorf("signed item: %q, %v", reason, item.ID)
	}
	if _, reason := admit(20, signed.Raw); reason != rollupapi.ReasonExpired {
		t.Errorf("expired item: %q", reason)
	}
	bad := bytes.Clone(signed.Raw)
	bad[len(bad)-1] ^= 1
	if _, reason := admit(0, bad); reason != rollupapi.ReasonSignatureInvalid {
		t.Errorf("changed item: %q", reason)
	}
	if _, reason := admit(0, []byte("nonsense")); reason != rollupapi.ReasonTransactionMalformed {
		t.Errorf("nonsense: %q", reason)
	}
	if _, reason := admit(0, c.OpenItem(t, 77, "x").Raw); reason != rollupapi.ReasonNamespaceUnknown {
		t.Errorf("unknown namespace: %q", reason)
	}
	if _, reason := admit(0, c.BundleItem(t, "x", apitest.Open, apitest.Quiet).Raw); reason != "" {
		t.Errorf("bundle: %q", reason)
	}
	if _, reason := admit(0, c.BundleItem(t, "x", apitest.Open, apitest.Signed).Raw); reason != rollupapi.ReasonSignatureMissing {
		t.Errorf("unsigned bundle with a leg that wants a signature: %q", reason)
	}
	if _, reason := admit(0, c.OpenItem(t, apitest.Ethereum, "x").Raw); reason != rollupapi.ReasonTransactionMalformed {
		t.Errorf("no Ethereum transaction: %q", reason)
	}
}

// TestAdmissionEnds: a caller whose time is up while all slots are taken is let go.
func TestAdmissionEnds(t *testing.T) {
	c := apitest.New(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	admission := rollupapi.NewAdmission(c.AdmissionConfig(1))
	refused := 0
	for range 64 { // a free slot and the end of ctx are drawn alike
		if _, err := admission.Transactions(ctx, 0, signedBatch(t, c, 300, 5)); errors.Is(err, context.Canceled) {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no submission noticed that its time was up")
	}
}
