package main

import (
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/store"
)

func newRun() *cobra.Command {
	var home string
	var acceptDamage, fromSnapshot bool
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the node of a home directory until it is interrupted",
		Long: `Run the node of a home directory, in the foreground. It logs to standard error as the home's
config.toml says, and stops in order on SIGINT or SIGTERM.

A home whose log of signed blocks is damaged is refused. With --accept-damaged-log the damaged log is
set aside and a new one begun; the node then asks the other validators what it has signed before
it speaks again, so that it cannot contradict itself.

A new node that does not keep all of the history begins with a snapshot that other nodes give and 2f+1 validators
vouch for; see store.start in config.toml. With --from-snapshot the node takes one in any case, and gives up the
history that it has, unless that is newer than all that the others prove: then the log says so and the node goes on
from what it has. What it has signed stays, and so do its key and config.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := resolveHome(home)
			if err != nil {
				return err
			}
			loaded, err := node.LoadHome(dir)
			if err != nil {
				return err
			}
			logger, err := newLogger(c.ErrOrStderr(), loaded.Config.Log)
			if err != nil {
				return err
			}
			slog.SetDefault(logger)
			o := node.Options{Home: dir, Version: productVersion(), Logger: logger}
			if acceptDamage {
				o.Damage = store.SetDamageAside
			}
			if fromSnapshot {
				o.Begin = node.BeginFromSnapshot
			}
			return node.Run(c.Context(), o)
		},
	}
	homeFlag(c, &home)
	c.Flags().BoolVar(&acceptDamage, "accept-damaged-log", false, "set a damaged log aside and ask the others what this validator has signed")
	c.Flags().BoolVar(&fromSnapshot, "from-snapshot", false, "take a snapshot from other nodes and go on from there, in place of the history in the home")
	return c
}

// newLogger is the logger that a config asks for.
func newLogger(out io.Writer, config node.LogConfig) (*slog.Logger, error) {
	level, err := config.SlogLevel()
	if err != nil {
		return nil, err
	}
	options := &slog.HandlerOptions{Level: level}
	if config.Format == "json" {
		return slog.New(slog.NewJSONHandler(out, options)), nil
	}
	return slog.New(slog.NewTextHandler(out, options)), nil
}
