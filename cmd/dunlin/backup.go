package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/store/chronicle"
)

func newBackup() *cobra.Command {
	c := &cobra.Command{
		Use:   "backup",
		Short: "Keep a copy of a node, and make a node from it again",
		Long: `Keep a copy of a node: its history, genesis and config in one file. The key is not in it: keep
key.json by itself, where nobody else can read it. With the key and the backup of any node of the
network, the node can be made again.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newBackupCreate(), newBackupRestore(), newBackupVerify())
	return c
}

func newBackupCreate() *cobra.Command {
	var home string
	c := &cobra.Command{
		Use:   "create FILE",
		Short: "Write a node's history, genesis and config into a new file",
		Long: `Write a node's history, genesis and config into a new file, whether the node runs or not: a running
one is asked through the admin socket in its home and goes on meanwhile. The backup reaches up to the
commit that is the newest when it begins.`,
		Example: "  dunlin backup create anna.backup --home ~/.dunlin",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return exportHome(c, home, args[0], node.AttachConfig)
		},
	}
	homeFlag(c, &home)
	return c
}

func newBackupRestore() *cobra.Command {
	var home, key string
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make the home of a node from a backup and its key, verifying everything",
		Long: `Make the home of a node from a backup and the node's key. Everything in the backup is verified on the
way, as "dunlin log verify" does.

A backup is older than what the node has signed since. So the new home says that it is in doubt: when
the node is started, it asks 2f+1 others what its key has signed and goes on above that. And it listens
before it speaks: while another node signs with the same key, it refuses to run.`,
		Example: "  dunlin backup restore anna.backup --home ~/.dunlin --key key.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := resolveHome(home)
			if err != nil {
				return err
			}
			return restoreHome(c, args[0], dir, key)
		},
	}
	homeFlag(c, &home)
	c.Flags().StringVar(&key, "key", "", "the node's key.json")
	_ = c.MarkFlagRequired("key")
	return c
}

func restoreHome(c *cobra.Command, path, dir, key string) error {
	keys, err := crypto.ReadKeyFile(key)
	if err != nil {
		return withHint(err, "name the key.json of the node with --key")
	}
	f, err := openHistory(path, c.ErrOrStderr())
	if err != nil {
		return withHint(err, "make it with: dunlin backup create %s", path)
	}
	defer f.Close()
	sum, err := node.RestoreHome(c.Context(), f, dir, keys)
	if errors.Is(err, chronicle.ErrHistory) {
		return refused(err, "take another copy of %s; remove %s first", path, dir)
	}
	if err != nil {
		return err
	}
	if err := printSummary(c.OutOrStdout(), path, sum); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "next: make sure that no other node has this key, then type\n  dunlin run --home %s\n", dir)
	return err
}

func newBackupVerify() *cobra.Command {
	var genesis string
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Verify a backup, as dunlin log verify does",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return verifyFile(c, args[0], genesis)
		},
	}
	c.Flags().StringVar(&genesis, "genesis", "", "genesis file of the network that the backup must be of")
	return c
}
