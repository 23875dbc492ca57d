package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/store/chronicle"
)

func newLog() *cobra.Command {
	c := &cobra.Command{
		Use:   "log",
		Short: "Take a node's history out into one file, and verify such a file",
		Long: `Take a node's history out into one file: every block and every commit, with the genesis. Whoever has
the file can verify all of it offline: signatures, digests, and that the blocks make exactly these
commits.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newLogExport(), newLogVerify())
	return c
}

func newLogExport() *cobra.Command {
	var home string
	c := &cobra.Command{
		Use:   "export FILE",
		Short: "Write a node's history into a new file",
		Long: `Write a node's history into a new file, whether the node runs or not: a running one is asked through
the admin socket in its home and goes on meanwhile. All nodes have the same history, so that an
observer's will do.`,
		Example: "  dunlin log export history.dunlin --home ~/.dunlin",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return exportHome(c, home, args[0], node.AttachGenesis)
		},
	}
	homeFlag(c, &home)
	return c
}

func newLogVerify() *cobra.Command {
	var genesis string
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Make the order again from an exported history, and compare",
		Long: `Read an exported history and believe nothing in it: check the digest over the file, every signature
and digest, and make every commit again from the blocks. Needs no node and no network. With --genesis
the file must also be of that network; without, compare the network that is printed.

Exits with 3 if anything does not hold.`,
		Example: "  dunlin log verify history.dunlin --genesis genesis.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return verifyFile(c, args[0], genesis)
		},
	}
	c.Flags().StringVar(&genesis, "genesis", "", "genesis file of the network that the history must be of")
	return c
}

// exportHome writes the history of a home into a new file, whole or not at all.
func exportHome(c *cobra.Command, home, path string, attach node.Attach) error {
	dir, err := resolveHome(home)
	if err != nil {
		return err
	}
	var sum chronicle.Summary
	err = writeWhole(path, func(w io.Writer) (err error) {
		sum, err = node.ExportHome(c.Context(), w, dir, attach, tellProgress(c.ErrOrStderr()))
		return err
	})
	if err != nil {
		return err
	}
	return printSummary(c.OutOrStdout(), path, sum)
}

// tellProgress writes a line every now and then, the first after some time: what is quick needs none.
func tellProgress(out io.Writer) func(chronicle.Progress) {
	said := time.Now()
	return func(p chronicle.Progress) {
		if time.Since(said) < progressEvery {
			return
		}
		said = time.Now()
		fmt.Fprintf(out, "%d of %d commits, %d MiB\n", p.Commits, p.Of, p.Bytes>>20)
	}
}

// writeWhole writes a file that must not exist yet: under its name it is complete and on disk.
func writeWhole(path string, write func(io.Writer) error) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return withHint(fmt.Errorf("%s exists already", path), "choose another file")
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-*") // mode 0600
	if err != nil {
		return withHint(err, "choose a directory that you may write to")
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func verifyFile(c *cobra.Command, path, genesisFile string) error {
	var genesis *dag.Genesis
	if genesisFile != "" { // before what may take hours
		var err error
		if genesis, err = node.LoadGenesis(genesisFile); err != nil {
			return err
		}
	}
	sum, err := readChecked(c, path)
	if err != nil {
		return err
	}
	if genesis != nil && genesis.Network() != sum.Network {
		return refused(fmt.Errorf("%s is of network %s, %s of network %s", path, sum.Network, genesisFile, genesis.Network()), "ask whoever made the file for the one of your network")
	}
	return printSummary(c.OutOrStdout(), path, sum)
}

func readChecked(c *cobra.Command, path string) (chronicle.Summary, error) {
	f, err := openHistory(path, c.ErrOrStderr())
	if err != nil {
		return chronicle.Summary{}, withHint(err, "make it with: dunlin log export %s", path)
	}
	defer f.Close()
	sum, err := node.VerifyHistory(c.Context(), f)
	if errors.Is(err, chronicle.ErrHistory) {
		return sum, refused(fmt.Errorf("%s: %w", path, err), "take another copy of the file, or export it again: dunlin log export")
	}
	return sum, err
}

func printSummary(out io.Writer, path string, s chronicle.Summary) error {
	_, err := fmt.Fprintf(out, "%s: network %s\n%d blocks, %d commits up to %s, %d bytes\n", path, s.Network, s.Blocks, s.Head.Index, s.Head.Digest, s.Bytes)
	return err
}
