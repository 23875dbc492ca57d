package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
)

// devnetFlags are the flags of dunlin devnet.
type devnetFlags struct {
	config    devnet.Config
	namespace string
	json      bool
}

func newDevnet() *cobra.Command {
	f := devnetFlags{}
	c := &cobra.Command{
		Use:   "devnet",
		Short: "Start a local network of validators, each a process of its own",
		Long: `Start a local network of validators, keep two demo rollups busy with really signed Ethereum
transactions, and show how every validator is doing. Ctrl-C (or the end of --for) stops it: then
the order is read back from every validator and compared.

The network lives in a new directory below the system's temporary directory, or in --home, where it
goes on if there is one already. network.json in it says where every node's home, process and API
are; a node that is killed is not started again by devnet, but anyone may: dunlin run --home HOME.

Half of the demo's transactions are sealed before they leave the user: no validator can read them until
their place in the order is fixed. The load waits for the validators to make their key, and at the end
every reveal is checked again from its opening and the public key alone, which is proven from the
deals of the validators.

Exits with 0 only if all validators agree on every commit and reveal, nothing that was acknowledged is
lost or late, everything sealed is opened and nothing was ordered twice; otherwise with 3. Late is what had not
been committed by every validator when the check ended, a minute after the load, or after up to five while one still caught up.`,
		Example: `  dunlin devnet
  dunlin devnet --validators 7 --rate 500 --for 20s --json
  dunlin devnet --rate 20000 --namespace open --size 512 --for 30s --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	flags := c.Flags()
	flags.IntVar(&f.config.Validators, "validators", 0, "how many validators, 4 to 256 (default 4, or what --home holds)")
	flags.StringVar(&f.config.Dir, "home", "", "directory of the network (default: a new one for temporary files)")
	flags.Float64Var(&f.config.Rate, "rate", 50, "transactions a second, over all validators")
	flags.DurationVar(&f.config.For, "for", 0, "how long to run (default: until Ctrl-C)")
	flags.StringVar(&f.namespace, "namespace", "demo", "what the load is: demo (two Ethereum rollups) or open (random bytes)")
	flags.IntVar(&f.config.Size, "size", 512, "bytes of a transaction of --namespace open")
	flags.Float64Var(&f.config.Sealed, sealedFlag, 0.5, "share of the transactions that is sealed, 0 to 1 (with --namespace open: 0 unless given, since that load measures the order at rates that sealing on this machine would limit)")
	flags.IntVar(&f.config.APIPort, "api-port", 0, "first port of the APIs; every validator takes the next (default: free ones)")
	flags.BoolVar(&f.json, "json", false, "print one JSON object on standard output at the end, all else on standard error")
	return c
}

// sealedFlag has a default that depends on the load.
const sealedFlag = "sealed"

func (f *devnetFlags) run(c *cobra.Command) error {
	config := f.config
	var err error
	if config.Namespace, err = loadNamespace(f.namespace); err != nil {
		return usage(c, "%w", err)
	}
	if config.Namespace == devnet.Open && !c.Flags().Changed(sealedFlag) {
		config.Sealed = 0
	}
	if config.Binary, err = os.Executable(); err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	config.Out = c.OutOrStdout()
	if f.json {
		config.Out = c.ErrOrStderr()
	}
	config.Screen, config.Width = screenOf(config.Out)
	result, err := runDevnet(c, config)
	if err != nil {
		return err
	}
	if f.json {
		err = printJSON(c.OutOrStdout(), result)
	}
	if fault := result.Fault(); err == nil && fault != nil {
		return refused(fault, "look at node.log of every node in %s", result.Directory)
	}
	return err
}

func loadNamespace(name string) (dag.Namespace, error) {
	switch name {
	case "demo":
		return 0, nil
	case "open":
		return devnet.Open, nil
	}
	return 0, fmt.Errorf("--namespace %q: want demo or open", name)
}

// runDevnet runs the network. The first interrupt ends the load, the second one everything.
func runDevnet(c *cobra.Command, config devnet.Config) (*devnet.Result, error) {
	hard, cancel := context.WithCancel(context.WithoutCancel(c.Context()))
	defer cancel()
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupts)
	go func() {
		for range 2 {
			select {
			case <-interrupts:
			case <-hard.Done():
				return
			}
		}
		cancel()
	}()
	return devnet.Run(c.Context(), hard, config)
}

// screenOf decides how the network is shown on out.
func screenOf(out any) (devnet.Screen, func() int) {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return devnet.ScreenPlain, nil
	}
	return devnet.ScreenLive, func() int {
		width, _, err := term.GetSize(int(file.Fd()))
		if err != nil {
			return 0
		}
		return width
	}
}
