package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// homeFlag adds --home, which names a node's home directory.
func homeFlag(c *cobra.Command, home *string) {
	c.Flags().StringVar(home, "home", "", "home directory of the node (default $DUNLIN_HOME, else ~/.dunlin)")
}

// resolveHome is the home that was asked for, as an absolute path.
func resolveHome(flag string) (string, error) {
	if flag == "" {
		flag = os.Getenv("DUNLIN_HOME")
	}
	if flag == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return "", withHint(fmt.Errorf("find home directory: %w", err), "name it with --home DIR")
		}
		flag = filepath.Join(user, ".dunlin")
	}
	path, err := filepath.Abs(flag)
	if err != nil {
		return "", withHint(fmt.Errorf("find home directory: %w", err), "name it with --home DIR")
	}
	return path, nil
}
