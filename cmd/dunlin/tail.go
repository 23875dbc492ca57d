package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/reveal"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// shownPayload is how many bytes of a payload one line shows.
const shownPayload = 32

// errEnough ends a stream after as many items as were asked for.
var errEnough = errors.New("enough")

func newTail() *cobra.Command {
	var api, cursor, state string
	var limit uint64
	var asJSON bool
	c := &cobra.Command{
		Use:   "tail [NAMESPACE...]",
		Short: "Follow the order of some namespaces, or of all",
		Long: `Follow the order of the namespaces named by id or name, or of all. One line per transaction:
commit, place in it, namespace, id, and the payload's beginning. With --json one object per line,
with the whole payload and the cursor that stands behind the transaction.

What was sealed is shown with what it held, once its commit is opened; what could not be opened keeps
its place and says why. With --state committed nothing is waited for, and ciphertexts are shown.

When it is interrupted it says from which cursor to go on; nothing is then missing or repeated.`,
		Example: `  dunlin tail
  dunlin tail demo-a --cursor genesis --json
  dunlin tail --state committed`,
		RunE: func(c *cobra.Command, args []string) error {
			shown, known := map[string]client.State{"committed": client.Committed, "revealed": client.Revealed}[state]
			if !known {
				return usage(c, "--state %q: want committed or revealed", state)
			}
			node, err := connect(api)
			if err != nil {
				return err
			}
			defer node.Close()
			namespaces, err := namespaceIDs(c.Context(), node, args)
			if err != nil {
				return err
			}
			write := writeLine
			if asJSON {
				write = writeObject
			}
			t := &tail{out: c.OutOrStdout(), write: write, cursor: cursor, left: limit, limited: limit > 0}
			err = node.FollowEvents(c.Context(), client.Selection{Namespaces: namespaces, Cursor: cursor, MinState: shown}, t.take)
			switch {
			case errors.Is(err, errEnough), errors.Is(err, context.Canceled):
				_, err = fmt.Fprintf(c.ErrOrStderr(), "go on with: %s --state %s --cursor %s\n", strings.Join(append([]string{c.CommandPath()}, args...), " "), state, t.cursor)
				return err
			}
			return explain(node, err)
		},
	}
	apiFlag(c, &api)
	c.Flags().StringVar(&cursor, "cursor", "tip", "where to begin: genesis, tip, commit:N or a cursor; what stands behind it is shown")
	c.Flags().StringVar(&state, "state", "revealed", "how far commits must have come to be shown: committed or revealed")
	c.Flags().Uint64Var(&limit, "limit", 0, "stop after so many transactions (default: never)")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line")
	return c
}

// tail writes what a stream brings.
type tail struct {
	out     io.Writer
	write   func(io.Writer, *client.Item) error
	cursor  string // behind what has been written
	left    uint64
	limited bool
}

func (t *tail) take(e client.Event) error {
	for i := range e.Items {
		if err := t.write(t.out, &e.Items[i]); err != nil {
			return err
		}
		t.cursor = e.Items[i].Cursor
		if t.left--; t.limited && t.left == 0 {
			return errEnough
		}
	}
	if e.Cursor != "" {
		t.cursor = e.Cursor
	}
	return nil
}

func writeLine(out io.Writer, item *client.Item) error {
	_, err := fmt.Fprintf(out, "%d/%d  %d  %s  %s\n", item.Commit, item.Index, item.Namespace, item.ID, describeItem(item))
	return err
}

// describeItem is what an item holds, in a few words.
func describeItem(item *client.Item) string {
	switch {
	case item.Kind == dag.KindBundle:
		return fmt.Sprintf("bundle of %d legs", len(item.Legs))
	case item.Kind != dag.KindSealed:
		return describePayload(item.Payload)
	case item.Verdict == 0:
		return fmt.Sprintf("sealed: %d bytes", len(item.Ciphertext))
	case item.Verdict != reveal.Opened:
		return "sealed, counts for nothing: " + item.Verdict.String()
	case len(item.Legs) == 1:
		return "sealed, opened: " + describePayload(item.Legs[0].Payload)
	}
	return fmt.Sprintf("sealed, opened: bundle of %d legs", len(item.Legs))
}

func describePayload(payload []byte) string {
	return fmt.Sprintf("%d bytes: %s", len(payload), preview(payload))
}

// preview is the payload's beginning, as text if it is plain ASCII.
func preview(payload []byte) string {
	begin := payload[:min(len(payload), shownPayload)]
	for _, b := range begin {
		if b < ' ' || b > '~' {
			return "0x" + hex.EncodeToString(begin)
		}
	}
	return strconv.Quote(string(begin))
}

// tailItem is one line of --json. Bytes are 0x-hex.
type tailItem struct {
	Commit     dag.CommitIndex `json:"commit"`
	Index      uint32          `json:"index"`
	Namespace  dag.Namespace   `json:"namespace"`
	ID         crypto.Digest   `json:"id"`
	Payload    string          `json:"payload,omitempty"`
	Legs       []tailLeg       `json:"legs,omitempty"`
	ValidUntil dag.CommitIndex `json:"valid_until_commit"`
	Sender     string          `json:"sender,omitempty"`
	Signature  string          `json:"signature,omitempty"`
	Cursor     string          `json:"cursor"`
	Namespaces []dag.Namespace `json:"namespaces,omitempty"`
	Ciphertext string          `json:"ciphertext,omitempty"`
	Verdict    string          `json:"verdict,omitempty"`
	Opening    string          `json:"opening,omitempty"`
}

type tailLeg struct {
	Namespace dag.Namespace `json:"namespace"`
	Payload   string        `json:"payload"`
}

func writeObject(out io.Writer, item *client.Item) error {
	line := tailItem{
		Commit: item.Commit, Index: item.Index, Namespace: item.Namespace, ID: item.ID, Payload: prefixed(item.Payload),
		ValidUntil: item.ValidUntil, Sender: prefixed(item.Sender), Signature: prefixed(item.Signature), Cursor: item.Cursor,
		Namespaces: item.Namespaces, Ciphertext: prefixed(item.Ciphertext),
	}
	if item.Verdict != 0 {
		line.Verdict = item.Verdict.String()
	}
	if item.Opening != (seal.Opening{}) {
		line.Opening = prefixed(item.Opening[:])
	}
	for _, leg := range item.Legs {
		line.Legs = append(line.Legs, tailLeg{leg.Namespace, prefixed(leg.Payload)})
	}
	return json.NewEncoder(out).Encode(line)
}

// prefixed is 0x-hex, or nothing for nothing.
func prefixed(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return "0x" + hex.EncodeToString(b)
}
