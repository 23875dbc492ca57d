package main

import (
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/internal/node"
)

func newRun() *cobra.Command {
	var home string
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the node of a home directory until it is interrupted",
		Long: `Run the node of a home directory, in the foreground. It logs to standard error as the home's
config.toml says, and stops in order on SIGINT or SIGTERM.`,
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
			return node.Run(c.Context(), node.Options{Home: dir, Version: productVersion(), Logger: logger})
		},
	}
	homeFlag(c, &home)
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
