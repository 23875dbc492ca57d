package main

import (
	"context"
	"errors"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// submitSealed seals p with the network's key and sends it, and waits as far as --wait says. Without a
// key it gives up at once: the first one takes the network some seconds, or some minutes with a validator down.
func submitSealed(ctx context.Context, node *client.Client, network *dunlinv1.GetNetworkResponse, flags *submitFlags, p client.Plain) (client.Result, error) {
	if _, err := node.EncryptionKey(ctx); err != nil {
		return client.Result{}, explain(node, err)
	}
	p.ValidUntil = dag.CommitIndex(network.GetWatermarks().GetCommitted() + flags.validFor)
	if flags.key != "" {
		keys, err := crypto.ReadKeyFile(flags.key)
		if err != nil {
			return client.Result{}, withHint(err, "make one with: dunlin init --home DIR")
		}
		p.Signer = keys.Identity
	}
	result, err := node.SealAndSubmit(ctx, p, submitWaits[flags.wait])
	switch {
	case errors.Is(err, dag.ErrItem):
		return result, refused(err, "cut it into several transactions")
	case errors.Is(err, context.DeadlineExceeded) && !result.ID.IsZero():
		return result, withHint(err, "curl %s/v1/transactions/%s says how far it is", node.Endpoint(), result.ID)
	}
	return result, explain(node, err)
}
