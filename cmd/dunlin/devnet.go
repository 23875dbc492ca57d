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

func newDevnet() *cobra.Command {
	config := devnet.Config{}
	var namespace string
	var asJSON bool
	c := &cobra.Command{
		Use:   "devnet",
		Short: "Start a local network of validators, each a process of its own",
		Long: `Start a local network of validators, keep two demo rollups busy with really signed Ethereum
transactions, and show how every validator is doing. Ctrl-C (or the end of --for) stops it: then
the order is read back from every validator and compared.

The network lives in a new directory below the system's temporary directory, or in --home, where it
goes on if there is one already. network.json in it says where every node's home, process and API
are; a node that is killed is not started again by devnet, but anyone may: dunlin run --home HOME.

Exits with 0 only if all validators agree on every commit, nothing that was acknowledged is lost and
nothing was ordered twice; otherwise with 3.`,
		Example: `  dunlin devnet
  dunlin devnet --validators 7 --rate 500 --for 20s --json
  dunlin devnet --rate 20000 --namespace open --size 512 --for 30s --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if config.Namespace, err = loadNamespace(namespace); err != nil {
				return usage(c, "%w", err)
			}
			if config.Binary, err = os.Executable(); err != nil {
				return fmt.Errorf("find own program: %w", err)
			}
			config.Out = c.OutOrStdout()
			if asJSON {
				config.Out = c.ErrOrStderr()
			}
			config.Screen, config.Width = screenOf(config.Out)
			result, err := runDevnet(c, config)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(c.OutOrStdout(), result)
			}
			if fault := result.Fault(); err == nil && fault != nil {
				return refused(fault, "look at node.log of every node in %s", result.Directory)
			}
			return err
		},
	}
	f := c.Flags()
	f.IntVar(&config.Validators, "validators", 0, "how many validators, 4 to 256 (default 4, or what --home holds)")
	f.StringVar(&config.Dir, "home", "", "directory of the network (default: a new one for temporary files)")
	f.Float64Var(&config.Rate, "rate", 50, "transactions a second, over all validators")
	f.DurationVar(&config.For, "for", 0, "how long to run (default: until Ctrl-C)")
	f.StringVar(&namespace, "namespace", "demo", "what the load is: demo (two Ethereum rollups) or open (random bytes)")
	f.IntVar(&config.Size, "size", 512, "bytes of a transaction of --namespace open")
	f.IntVar(&config.APIPort, "api-port", 0, "first port of the APIs; every validator takes the next (default: free ones)")
	f.BoolVar(&asJSON, "json", false, "print one JSON object on standard output at the end, all else on standard error")
	return c
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
