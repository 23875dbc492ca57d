package test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	ethcrypto "github.com/ethereum/go-ethereum/crypto"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
)

// realTransaction is a transaction as it stood on a public chain.
type realTransaction struct {
	ChainID uint64 `json:"chain_id"`
	Raw     string `json:"raw"` // 0x-hex
}

func realTransactions(t *testing.T) []realTransaction {
	t.Helper()
	file, err := os.Open("../rollupapi/testdata/real-transactions.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var out []realTransaction
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var tx realTransaction
		decode(t, lines.Text(), &tx)
		out = append(out, tx)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// Every chain id has two namespaces: one as most rollups want it, and one that also takes
// transactions which name no chain.
const (
	strictBase  = 1_000_000
	lenientBase = 2_000_000
)

// 52 transactions of public chains go in by eth_sendRawTransaction and come back byte for byte from
// every node, except for those that a namespace must refuse.
func TestRealTransactions(t *testing.T) {
	needCurl(t)
	t.Parallel()
	txs := realTransactions(t)
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.found(func(g *dag.Genesis) {
		known := make(map[uint64]bool)
		for _, tx := range txs {
			if known[tx.ChainID] {
				continue
			}
			known[tx.ChainID] = true
			g.Namespaces = append(g.Namespaces,
				dag.NamespaceRule{ID: dag.Namespace(strictBase + tx.ChainID), Scheme: dag.SchemeEthereum, ChainID: tx.ChainID},
				dag.NamespaceRule{ID: dag.Namespace(lenientBase + tx.ChainID), Scheme: dag.SchemeEthereum, ChainID: tx.ChainID, AllowUnprotected: true})
		}
	})
	f.start(f.all()...)
	f.untilProposing(f.all()...)

	refused := make(map[string]int)
	want := make(map[uint64]map[string]int) // per namespace: how often each transaction must be there
	for i, tx := range txs {
		for _, base := range []uint64{strictBase, lenientBase} {
			ns := base + tx.ChainID
			answer := rpc(t, f.network.Nodes[i%4].API, ns, "eth_sendRawTransaction", tx.Raw)
			reason := mustRefuse(t, tx, base)
			switch {
			case reason == "" && (answer.Error != nil || answer.Result != hashOf(t, tx.Raw)):
				t.Errorf("transaction %d of chain %d to namespace %d: %+v, want its hash", i, tx.ChainID, ns, answer.Error)
			case reason == "":
				if want[ns] == nil {
					want[ns] = make(map[string]int)
				}
				want[ns][tx.Raw] = 1
			case answer.Error == nil || answer.Error.Data.Reason != reason || answer.Error.Message == "":
				t.Errorf("transaction %d of chain %d to namespace %d: %+v, want %s", i, tx.ChainID, ns, answer, reason)
			default:
				refused[reason]++
			}
		}
	}
	if len(txs) != 52 || refused["UNPROTECTED"] != 18 || refused["BLOB_UNSUPPORTED"] != 2 {
		t.Errorf("%d transactions, refused %v; want 52, of them 18 unprotected and one with blobs (to two namespaces)", len(txs), refused)
	}
	for _, n := range f.network.Nodes {
		for ns, transactions := range want {
			eventually(t, fmt.Sprintf("%s serves what namespace %d got", n.Name, ns), func() error {
				return sameItems(curlJSON[struct {
					Items []item `json:"items"`
				}](t, fmt.Sprintf("%s/v1/namespaces/%d/transactions?cursor=genesis", n.API, ns)).Items, ns, transactions)
			})
		}
	}
	checkAgreement(t, f.readAll())
}

// sameItems says how a namespace's items differ from what it must hold.
func sameItems(items []item, ns uint64, want map[string]int) error {
	got := make(map[string]int)
	for _, i := range items {
		got[strings.ToLower(i.Payload)]++
		if i.Namespace != ns {
			return fmt.Errorf("an item of namespace %d among those of %d", i.Namespace, ns)
		}
	}
	for raw := range want {
		if got[strings.ToLower(raw)] != 1 {
			return fmt.Errorf("%.20s... is there %d times", raw, got[strings.ToLower(raw)])
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d different transactions, want %d", len(got), len(want))
	}
	return nil
}

// mustRefuse is why a namespace must not take a transaction, "" if it must.
func mustRefuse(t *testing.T, tx realTransaction, base uint64) string {
	t.Helper()
	raw := bytesOf(t, tx.Raw)
	if raw[0] == types.BlobTxType {
		return "BLOB_UNSUPPORTED"
	}
	decoded := new(types.Transaction)
	if err := decoded.UnmarshalBinary(raw); err != nil {
		t.Fatal(err)
	}
	if !decoded.Protected() && base == strictBase {
		return "UNPROTECTED"
	}
	return ""
}

func hashOf(t *testing.T, raw string) string {
	t.Helper()
	return ethcrypto.Keccak256Hash(bytesOf(t, raw)).Hex()
}

func bytesOf(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
}

func writeFile(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "payload")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
