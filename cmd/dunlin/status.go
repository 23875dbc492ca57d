package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// statusPatience is how long a node may take to say how it is doing.
const statusPatience = 10 * time.Second

func newStatus() *cobra.Command {
	var api string
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Say how a node is doing",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return ask(c, api, statusPatience, func(ctx context.Context, node *client.Client) error {
				status, err := node.NodeStatus(ctx)
				switch {
				case err != nil:
					return err
				case asJSON:
					return printJSON(c.OutOrStdout(), status)
				}
				return printStatus(c.OutOrStdout(), status)
			})
		},
	}
	apiFlag(c, &api)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func printStatus(out io.Writer, s client.NodeStatus) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	role := string(s.Role)
	if s.Author != "" {
		role += " " + s.Author
	}
	proposing := "yes"
	if !s.Proposing {
		proposing = "no: " + s.Reason
	}
	var away []string
	for _, p := range s.PeerList {
		switch {
		case !p.Connected:
			away = append(away, p.Name+" is away")
		case p.Lagging:
			away = append(away, p.Name+" lags")
		}
	}
	peers := fmt.Sprint(s.Peers)
	if len(away) > 0 {
		peers += " (" + strings.Join(away, ", ") + ")"
	}
	fmt.Fprintf(w, "node\t%s, %s, %s\n", s.Name, role, s.Version)
	fmt.Fprintf(w, "network\t%s (%s)\n", s.Chain, s.NetworkID)
	fmt.Fprintf(w, "up\t%v\n", (time.Duration(s.Uptime) * time.Millisecond).Round(time.Second))
	fmt.Fprintf(w, "round\t%d, epoch %d\n", s.Round, s.Epoch)
	behind := fmt.Sprintf("%d behind", s.Behind)
	if s.ETA > 0 {
		behind += fmt.Sprintf(", caught up in about %v", (time.Duration(s.ETA) * time.Millisecond).Round(time.Second))
	}
	fmt.Fprintf(w, "commit\t%d (%s), %s\n", s.Commit, s.CommitDigest, behind)
	fmt.Fprintf(w, "revealed\t%s\n", revealedLine(&s))
	fmt.Fprintf(w, "certified\t%s\n", certifiedLine(&s))
	fmt.Fprintf(w, "sealing\t%s\n", sealingLine(&s.Sealing))
	fmt.Fprintf(w, "proposing\t%s\n", proposing)
	fmt.Fprintf(w, "peers\t%s\n", peers)
	if s.Archive == rollupapi.ArchiveNone {
		fmt.Fprintln(w, "archive\tnone: no connected node has the first commits; dunlin doctor says what to do")
	}
	fmt.Fprintf(w, "pool\t%d transactions, %d bytes\n", s.PoolItems, s.PoolBytes)
	fmt.Fprintf(w, "latency\tp50 %.0f ms, p99 %.0f ms\n", s.LatencyP50, s.LatencyP99)
	return w.Flush()
}
