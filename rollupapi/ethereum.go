package rollupapi

import (
	"bytes"
	"context"
	"errors"
	"math/big"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/dunlin-network/dunlin/dag"
)

// checkEthereum refuses payloads that are not signed Ethereum transactions for the namespace's
// chain. What out already refuses is left alone.
func (a *Admission) checkEthereum(ctx context.Context, rule *dag.NamespaceRule, payloads [][]byte, out []Admitted) error {
	chain := new(big.Int).SetUint64(rule.ChainID)
	signer := types.LatestSignerForChainID(chain)
	return a.spread(ctx, len(out), recoverChunk, func(from, to int) {
		for i := from; i < to; i++ {
			if out[i].Refused == nil {
				out[i].Refused = checkEthereumTransaction(rule, chain, signer, payloads[i])
			}
		}
	})
}

func checkEthereumTransaction(rule *dag.NamespaceRule, chain *big.Int, signer types.Signer, payload []byte) *Refusal {
	if payload[0] == types.BlobTxType {
		return refuse(ReasonBlobUnsupported, "blob transactions (type 3) are not ordered: their blobs would have no place")
	}
	tx, err := decodeEthereum(payload)
	if err != nil {
		return refuse(ReasonTransactionMalformed, "not a signed Ethereum transaction: %s", err)
	}
	if !tx.Protected() {
		if !rule.AllowUnprotected {
			return refuse(ReasonUnprotected, "the transaction names no chain id (EIP-155) and could be replayed on other chains: sign it for chain %d", rule.ChainID)
		}
		signer = types.HomesteadSigner{}
	} else if tx.ChainId().Cmp(chain) != 0 {
		return refuse(ReasonChainIDMismatch, "the transaction is signed for chain %s, namespace %d is chain %d", clip(tx.ChainId().String()), rule.ID, rule.ChainID)
	}
	if _, err := types.Sender(signer, tx); err != nil {
		return refuse(ReasonSignatureInvalid, "the transaction's signature gives no sender: %s", err)
	}
	return nil
}

// decodeEthereum reads a transaction from its one encoding.
func decodeEthereum(payload []byte) (*types.Transaction, error) {
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(payload); err != nil {
		return nil, err
	}
	again, err := tx.MarshalBinary()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, payload) {
		return nil, errors.New("bytes that are not its canonical encoding")
	}
	return tx, nil
}
