package test

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	ethcrypto "github.com/ethereum/go-ethereum/crypto"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// Each submitter sends a batch at a time: a network of four on two slow cores bears it.
const (
	batchItems = 10
	batchEvery = 50 * time.Millisecond
)

// load is clients that submit to nodes, each node in two namespaces, until it is stopped.
type load struct {
	fleet      *fleet
	cancel     context.CancelFunc
	submitters sync.WaitGroup

	mu           sync.Mutex
	acknowledged [][]crypto.Digest // by the node that did
	unanswered   int               // batches: the node was away
}

// startLoad submits to all nodes, or to those that are named.
func startLoad(f *fleet, nodes ...int) *load {
	f.t.Helper()
	if len(nodes) == 0 {
		nodes = f.all()
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{fleet: f, cancel: cancel, acknowledged: make([][]crypto.Digest, len(f.network.Nodes))}
	f.t.Cleanup(l.stop)
	for _, i := range nodes {
		for _, source := range []payloads{openPayloads(i), newWallet(f.t, devnet.DemoA)} {
			l.submitters.Go(func() { l.submit(ctx, i, source) })
		}
	}
	return l
}

// payloads makes the next payload of a namespace.
type payloads struct {
	namespace dag.Namespace
	next      func() ([]byte, error)
}

func openPayloads(node int) payloads {
	n := 0
	return payloads{devnet.Open, func() ([]byte, error) {
		n++
		return fmt.Appendf(nil, "node %d, number %d, of %d", node, n, time.Now().UnixNano()), nil
	}}
}

// newWallet signs payments of a new account.
func newWallet(t *testing.T, ns dag.Namespace) payloads {
	t.Helper()
	key, err := ethcrypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	nonce := uint64(0)
	return payloads{ns, func() ([]byte, error) {
		nonce++
		return payment(key, int64(ns), nonce-1)
	}}
}

// payment is a signed EIP-1559 transaction.
func payment(key *ecdsa.PrivateKey, chain int64, nonce uint64) ([]byte, error) {
	to := ethcrypto.PubkeyToAddress(key.PublicKey)
	tx, err := types.SignNewTx(key, types.LatestSignerForChainID(big.NewInt(chain)), &types.DynamicFeeTx{
		ChainID: big.NewInt(chain), Nonce: nonce, To: &to, Gas: 21000, Value: big.NewInt(1),
		GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(2e9),
	})
	if err != nil {
		return nil, err
	}
	return tx.MarshalBinary()
}

func (l *load) submit(ctx context.Context, to int, source payloads) {
	for ctx.Err() == nil {
		batch := make([][]byte, batchItems)
		for i := range batch {
			var err error
			if batch[i], err = source.next(); err != nil {
				l.fleet.t.Error(err)
				return
			}
		}
		results, err := l.fleet.clients[to].SubmitBatch(ctx, source.namespace, batch)
		l.note(to, results, err)
		select {
		case <-time.After(batchEvery):
		case <-ctx.Done():
		}
	}
}

// note keeps what was promised. A node that is away promises nothing, nor does one that refuses;
// what it refuses for good is a fault of the test.
func (l *load) note(node int, results []client.Result, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.unanswered++
	}
	for _, r := range results {
		switch {
		case r.State == client.Included || r.State == client.Committed:
			l.acknowledged[node] = append(l.acknowledged[node], r.ID)
		case r.Err != nil && !r.Err.Retryable:
			l.fleet.t.Errorf("%s: %v", r.State, r.Err)
		}
	}
}

// stop ends the load and returns once all submitters have.
func (l *load) stop() {
	l.cancel()
	l.submitters.Wait()
}

// promised is what was acknowledged so far.
func (l *load) promised() []crypto.Digest {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Concat(l.acknowledged...)
}

// promisedBy is what one node acknowledged so far.
func (l *load) promisedBy(node int) []crypto.Digest {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.acknowledged[node])
}

// untilMore waits until n more transactions have been acknowledged.
func (l *load) untilMore(n int) {
	l.fleet.t.Helper()
	before := len(l.promised())
	eventually(l.fleet.t, "acknowledgements under load", func() error {
		if now := len(l.promised()); now < before+n {
			return fmt.Errorf("%d acknowledged, were %d", now, before)
		}
		return nil
	})
}
