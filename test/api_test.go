package test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	ethcrypto "github.com/ethereum/go-ethereum/crypto"

	"github.com/dunlin-network/dunlin/internal/devnet"
)

// transaction is what the API says of one transaction in JSON.
type transaction struct {
	TxID   string  `json:"tx_id"`
	State  string  `json:"state"`
	Commit *uint64 `json:"commit"`
	Index  *uint32 `json:"index"`
	Reason string  `json:"reason"` // of a problem
	Detail string  `json:"detail"`
}

// A person with nothing but curl submits a transaction, follows it to its commit and sees it on the
// stream.
func TestCurl(t *testing.T) {
	needCurl(t)
	t.Parallel()
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	api := make([]string, len(f.network.Nodes))
	for i, n := range f.network.Nodes {
		api[i] = n.API
	}
	t.Run("submit", func(t *testing.T) { curlSubmit(t, api) })
	t.Run("resume", func(t *testing.T) { curlResume(t, api) })
	t.Run("wallet", func(t *testing.T) { curlWallet(t, api) })
	t.Run("refusals", func(t *testing.T) { curlRefusals(t, api) })
}

func curlSubmit(t *testing.T, api []string) {
	const payload = "hello, rollup"
	var (
		watching sync.WaitGroup
		events   []sse
		broken   error
	)
	watching.Go(func() {
		shown := hex.EncodeToString([]byte(payload))
		events, broken = follow(t.Context(), func(e sse) bool { return e.event == "item" && strings.Contains(e.data, shown) },
			api[1]+"/v1/stream?namespace=open&cursor=genesis")
	})
	sent := curlJSON[transaction](t, "--data-binary", payload, api[0]+"/v1/namespaces/open/transactions")
	if sent.State != "INCLUDED" && sent.State != "COMMITTED" || len(sent.TxID) != 64 {
		t.Fatalf("submission answered %+v", sent)
	}
	var got transaction
	eventually(t, "the transaction is committed", func() error {
		got = curlJSON[transaction](t, api[0]+"/v1/transactions/"+sent.TxID)
		if got.State != "COMMITTED" || got.Commit == nil || got.Index == nil {
			return fmt.Errorf("status is %+v", got)
		}
		return nil
	})
	watching.Wait()
	if broken != nil {
		t.Fatal(broken)
	}
	i := itemOf(t, events[len(events)-1])
	if i.TxID != sent.TxID || i.Commit != *got.Commit || i.Index != *got.Index || i.Namespace != uint64(devnet.Open) {
		t.Errorf("the stream shows %+v, the status is %+v", i, got)
	}
	again := curlJSON[transaction](t, "--data-binary", payload, api[2]+"/v1/namespaces/open/transactions?wait=committed")
	if again.State != "COMMITTED" || again.TxID != sent.TxID || again.Commit == nil || *again.Commit != i.Commit {
		t.Errorf("submitted again elsewhere: %+v, want the same place", again)
	}
	body := fmt.Sprintf(`{"namespace":"open","payload":"0x%x","wait":"committed"}`, "in JSON")
	if r := curlJSON[transaction](t, "--data", body, api[3]+"/v1/submit"); r.State != "COMMITTED" || r.Commit == nil {
		t.Errorf("submitted as JSON: %+v", r)
	}
}

// curlResume reads a stream whole, and then from every cursor in it, on any node.
func curlResume(t *testing.T, api []string) {
	const count = 25
	var newest uint64
	for i := range count {
		sent := curlJSON[transaction](t, "--data-binary", fmt.Sprintf("resume %d", i), api[i%len(api)]+"/v1/namespaces/open/transactions?wait=committed")
		if sent.Commit == nil {
			t.Fatalf("submitted: %+v", sent)
		}
		newest = max(newest, *sent.Commit)
	}
	const query = "/v1/stream?namespace=open&heartbeat_ms=100&cursor="
	items := 0
	whole := ordered(curlStream(t, func(e sse) bool {
		if e.event == "item" {
			items++
		}
		return e.event == "commit" && curlCommit(t, e) >= newest
	}, api[0]+query+"genesis"))
	if items < count {
		t.Fatalf("%d items in the whole stream, want %d", items, count)
	}
	last := whole[len(whole)-1].id
	for i, from := range whole[:len(whole)-1] {
		args := []string{api[i%len(api)] + query + from.id}
		if i%2 == 0 { // what a browser does when it reconnects
			args = []string{"--header", "Last-Event-ID: " + from.id, api[i%len(api)] + query + "genesis"}
		}
		rest := ordered(curlStream(t, func(e sse) bool { return e.event != "watermark" && e.id == last }, args...))
		if !slices.Equal(rest, whole[i+1:]) {
			t.Fatalf("from cursor %d (%s) %d events come, want the %d that follow it", i, from.id, len(rest), len(whole)-i-1)
		}
	}
	t.Logf("resumed from %d cursors", len(whole)-1)
}

// ordered is the events that belong to the order.
func ordered(events []sse) []sse {
	return slices.DeleteFunc(events, func(e sse) bool { return e.event == "watermark" })
}

func curlCommit(t *testing.T, e sse) uint64 {
	t.Helper()
	var commit struct {
		Index uint64 `json:"index"`
	}
	decode(t, e.data, &commit)
	return commit.Index
}

// curlWallet sends a payment that an outside library signed.
func curlWallet(t *testing.T, api []string) {
	key, err := ethcrypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := payment(key, int64(devnet.DemoB), 0)
	if err != nil {
		t.Fatal(err)
	}
	text := "0x" + hex.EncodeToString(raw)
	if a := rpc(t, api[0], uint64(devnet.DemoB), "eth_chainId"); a.Result != fmt.Sprintf("0x%x", uint64(devnet.DemoB)) {
		t.Errorf("eth_chainId answers %+v", a)
	}
	sent := rpc(t, api[0], uint64(devnet.DemoB), "eth_sendRawTransaction", text)
	if want := ethcrypto.Keccak256Hash(raw).Hex(); sent.Error != nil || sent.Result != want {
		t.Fatalf("eth_sendRawTransaction answers %+v, want the hash %s", sent, want)
	}
	curlStream(t, func(e sse) bool { return e.event == "item" && itemOf(t, e).Payload == text },
		api[3]+"/v1/stream?namespace=demo-b&cursor=genesis")
	if again := rpc(t, api[2], uint64(devnet.DemoB), "eth_sendRawTransaction", text); again.Error != nil || again.Result != sent.Result {
		t.Errorf("sent again: %+v, want the same hash", again)
	}
	if wrong := rpc(t, api[0], uint64(devnet.DemoA), "eth_sendRawTransaction", text); wrong.Error == nil || wrong.Error.Data.Reason != "CHAIN_ID_MISMATCH" {
		t.Errorf("sent to another chain: %+v, want CHAIN_ID_MISMATCH", wrong)
	}
	if wrong := rpc(t, api[0], uint64(devnet.DemoB), "eth_sendRawTransaction", text+"00"); wrong.Error == nil {
		t.Errorf("a byte too many was taken: %+v", wrong)
	}
}

// curlRefusals wants errors that name the limit.
func curlRefusals(t *testing.T, api []string) {
	const limit = 128 << 10
	large := "@" + writeFile(t, make([]byte, limit+1))
	fits := "@" + writeFile(t, make([]byte, limit))
	open := api[0] + "/v1/namespaces/open/transactions"
	if r := curlJSON[transaction](t, "--data-binary", large, open); r.Reason != "TOO_LARGE" {
		t.Errorf("one byte over 128 KiB: %+v", r)
	}
	if r := curlJSON[transaction](t, "--data-binary", fits, open+"?wait=committed"); r.State != "COMMITTED" {
		t.Errorf("128 KiB: %+v", r)
	}
	for reason, args := range map[string][]string{
		"NAMESPACE_UNKNOWN": {"--data-binary", "x", api[0] + "/v1/namespaces/4711/transactions"},
		"EXPIRED":           {"--data-binary", "x", open + "?valid_until_commit=1"},
		"TOO_FAR_AHEAD":     {"--data-binary", "x", open + "?valid_until_commit=1000000000"},
		"SIGNATURE_MISSING": {"--data-binary", "x", api[0] + "/v1/namespaces/signed/transactions?valid_until_commit=4000"},
		"PAYLOAD_EMPTY":     {"--request", "POST", open},
		"CURSOR_MALFORMED":  {api[0] + "/v1/stream?cursor=nonsense"},
		"NOT_FOUND":         {api[0] + "/v1/nothing"},
	} {
		if r := curlJSON[transaction](t, args...); r.Reason != reason || r.Detail == "" {
			t.Errorf("curl %v: %+v, want %s", args, r, reason)
		}
	}
}
