package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// plainOf is what is to be sealed, as the command line says it.
func plainOf(network *dunlinv1.GetNetworkResponse, flags *submitFlags, leg dag.Leg) (client.Plain, error) {
	p := client.Plain{Legs: []dag.Leg{leg}, ValidUntil: dag.CommitIndex(network.GetWatermarks().GetCommitted() + flags.validFor)}
	if flags.key != "" {
		keys, err := crypto.ReadKeyFile(flags.key)
		if err != nil {
			return p, withHint(err, "make one with: dunlin init --home DIR")
		}
		p.Signer = keys.Identity
	}
	return p, nil
}

// submitSealed seals p with the network's key and sends it, and waits as far as --wait says, for a certificate not yet. Without a
// key it gives up at once: the first one takes the network some seconds, or some minutes with a validator down.
func submitSealed(ctx context.Context, node *client.Client, wait client.Wait, p client.Plain) (client.Result, error) {
	if _, err := node.EncryptionKey(ctx); err != nil {
		return client.Result{}, explainKey(node, err)
	}
	result, err := node.SealAndSubmit(ctx, p, min(wait, client.WaitRevealed))
	switch {
	case errors.Is(err, dag.ErrItem):
		return result, refused(err, "cut it into several transactions")
	case errors.Is(err, context.DeadlineExceeded) && !result.ID.IsZero():
		return result, withHint(err, "curl %s/v1/transactions/%s says how far it is", node.Endpoint(), result.ID)
	}
	return result, explainKey(node, err)
}

// connectToSubmit is connect, trusting nobody but the committee of --genesis with the key where that is given.
func connectToSubmit(flags *submitFlags) (*client.Client, error) {
	config := client.Config{Logger: slog.New(slog.DiscardHandler)} // sayUnproven says what it would
	if flags.genesis != "" {
		genesis, err := node.LoadGenesis(flags.genesis)
		if err != nil {
			return nil, withHint(err, "ask whoever runs the network for its genesis file; a node has it as genesis.json in its home")
		}
		if config.Committee, err = genesis.Committee(); err != nil {
			return nil, fmt.Errorf("read genesis %s: %w", flags.genesis, err)
		}
	}
	return connectAs(flags.api, config)
}

// sayUnproven says on whose word the key is taken, if on anybody's.
func sayUnproven(c *cobra.Command, node *client.Client, flags *submitFlags) {
	if flags.genesis == "" {
		fmt.Fprintf(c.ErrOrStderr(), "note: the key is taken on the word of %s: give --genesis to check it\n", node.Endpoint())
	}
}

// explainKey is explain, and says what to do about a key that is not the committee's.
func explainKey(node *client.Client, err error) error {
	if errors.Is(err, client.ErrOrigin) {
		return refused(err, "nothing was sealed: name another node with --api, one that keeps the network's first commits; and see that --genesis is this network's")
	}
	return explain(node, err)
}
