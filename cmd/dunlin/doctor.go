package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/internal/doctor"
)

func newDoctor() *cobra.Command {
	var home, api string
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look a node over, and say what to do about what is wrong",
		Long: `Look a node over, from inside its home and from outside: whether config, genesis, key and log can be
read, the disk's space and speed, open files, ports, the clock, whether every configured node is reached
and is who it should be, and what the node says of itself. It changes nothing, and the node may run or not.

With --api and without --home only the node behind the URL is asked. Each finding is one line: ok, warn
or bad, with what to do next.

Exits with 1 if anything is bad. That a node does not run is a warning: look it over before its first start.`,
		Example: "  dunlin doctor --home ~/.dunlin\n  dunlin doctor --api https://rollups.example",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			plan := doctor.Plan{API: api, Token: os.Getenv(tokenVariable), Version: productVersion()}
			if api == "" || c.Flags().Changed("home") {
				var err error
				if plan.Home, err = resolveHome(home); err != nil {
					return err
				}
			}
			return showFindings(c.OutOrStdout(), doctor.Examine(c.Context(), plan), asJSON)
		},
	}
	homeFlag(c, &home)
	c.Flags().StringVar(&api, "api", "", "URL of the node's API (default: the one in the home's config); its bearer token, where it wants one, is $"+tokenVariable)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func showFindings(out io.Writer, findings []doctor.Finding, asJSON bool) error {
	bad := 0
	for _, f := range findings {
		if f.Level == doctor.Bad {
			bad++
		}
		if asJSON {
			continue
		}
		line := fmt.Sprintf("%-5s %-12s %s", f.Level, f.Check, f.Text)
		if f.Next != "" {
			line += "; next: " + f.Next
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	if asJSON {
		err := printJSON(out, struct {
			Healthy  bool             `json:"healthy"`
			Findings []doctor.Finding `json:"findings"`
		}{bad == 0, findings})
		if err != nil {
			return err
		}
	}
	if bad > 0 {
		return withHint(fmt.Errorf("%d of %d findings are bad", bad, len(findings)), "see what stands behind next")
	}
	return nil
}
