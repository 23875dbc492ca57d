package devnet

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	ethcrypto "github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/sync/errgroup"

	"github.com/dunlin-network/dunlin/dag"
)

// Limits of what the demo rollups prepare.
const (
	accountsPerStream = 4    // senders per node and rollup
	minPrepared       = 64   // signed transactions that wait per node and rollup, at least
	maxPrepared       = 4096 // and at most: some 0.6 MB
	minPayload        = 16   // bytes: what makes an open payload unlike all others
	demoPayload       = 160  // bytes, at most, of a demo transaction
)

// source makes the payloads of one node's load. next is called by several goroutines.
type source interface {
	// next is n payloads of one namespace; batch numbers the call.
	next(ctx context.Context, batch uint64, n int) (dag.Namespace, [][]byte, error)
}

// openSource makes payloads of random bytes for an open namespace.
type openSource struct {
	namespace dag.Namespace
	size      int
	seed      [32]byte
}

func newOpenSource(ns dag.Namespace, size int) (*openSource, error) {
	s := &openSource{namespace: ns, size: size}
	if _, err := rand.Read(s.seed[:]); err != nil {
		return nil, fmt.Errorf("seed payloads: %w", err)
	}
	return s, nil
}

// next never repeats a payload: the batch numbers the stream of random bytes.
func (s *openSource) next(_ context.Context, batch uint64, n int) (dag.Namespace, [][]byte, error) {
	seed := s.seed
	for i, b := range binary.BigEndian.AppendUint64(nil, batch) {
		seed[i] ^= b
	}
	random := mathrand.NewChaCha8(seed)
	slab := make([]byte, n*s.size)
	if _, err := random.Read(slab); err != nil {
		return 0, nil, err
	}
	out := make([][]byte, n)
	for i := range out {
		out[i] = slab[i*s.size : (i+1)*s.size : (i+1)*s.size]
	}
	return s.namespace, out, nil
}

// demoSource hands out really signed EIP-1559 transactions of the two demo rollups, in the order
// of their nonces. They are signed ahead, so that signing takes no part in the latency.
type demoSource struct {
	rollups [2]chan []byte
}

var demoRollups = [2]dag.Namespace{DemoA, DemoB}

// newDemoSource returns a source that keeps up to prepared transactions ready per rollup. The
// goroutines that sign run in group until ctx ends.
func newDemoSource(ctx context.Context, group *errgroup.Group, prepared int) (*demoSource, error) {
	s := &demoSource{}
	for i, ns := range demoRollups {
		s.rollups[i] = make(chan []byte, min(max(prepared, minPrepared), maxPrepared))
		signer := &demoSigner{chain: new(big.Int).SetUint64(uint64(ns))}
		for range accountsPerStream {
			key, err := ethcrypto.GenerateKey()
			if err != nil {
				return nil, fmt.Errorf("draw account: %w", err)
			}
			signer.accounts = append(signer.accounts, account{key: key})
		}
		out := s.rollups[i]
		group.Go(func() error { return signer.fill(ctx, out) })
	}
	return s, nil
}

// ready reports whether everything is signed ahead.
func (s *demoSource) ready() bool {
	return len(s.rollups[0]) == cap(s.rollups[0]) && len(s.rollups[1]) == cap(s.rollups[1])
}

func (s *demoSource) next(ctx context.Context, batch uint64, n int) (dag.Namespace, [][]byte, error) {
	which := batch % uint64(len(demoRollups))
	out := make([][]byte, n)
	for i := range out {
		select {
		case out[i] = <-s.rollups[which]:
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		}
	}
	return demoRollups[which], out, nil
}

type account struct {
	key   *ecdsa.PrivateKey
	nonce uint64
}

// demoSigner signs transfers of one rollup, from its accounts in turn.
type demoSigner struct {
	chain    *big.Int
	accounts []account
	turn     int
}

func (d *demoSigner) fill(ctx context.Context, out chan<- []byte) error {
	for {
		raw, err := d.sign()
		if err != nil {
			return err
		}
		select {
		case out <- raw:
		case <-ctx.Done():
			return nil
		}
	}
}

func (d *demoSigner) sign() ([]byte, error) {
	from := &d.accounts[d.turn%len(d.accounts)]
	to := ethcrypto.PubkeyToAddress(d.accounts[(d.turn+1)%len(d.accounts)].key.PublicKey)
	d.turn++
	tx, err := types.SignNewTx(from.key, types.LatestSignerForChainID(d.chain), transfer(d.chain, from.nonce, to))
	if err != nil {
		return nil, fmt.Errorf("sign demo transaction: %w", err)
	}
	from.nonce++
	raw, err := tx.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encode demo transaction: %w", err)
	}
	return raw, nil
}

// transfer is a plain payment as a wallet makes it.
func transfer(chain *big.Int, nonce uint64, to common.Address) *types.DynamicFeeTx {
	const gwei, gas = 1_000_000_000, 21_000
	return &types.DynamicFeeTx{
		ChainID: chain, Nonce: nonce, To: &to, Gas: gas, Value: big.NewInt(int64(nonce) + 1),
		GasTipCap: big.NewInt(gwei), GasFeeCap: big.NewInt(2 * gwei),
	}
}
