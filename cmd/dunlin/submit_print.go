package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// sealedForms are what --print takes: how each protocol writes the request, and where it goes.
var sealedForms = map[string]struct {
	path string // of the node's API; %d is the namespace
	body func(wait string, s *dag.Sealed) ([]byte, error)
}{
	"rest":    {"/v1/submit/sealed", sealedREST},
	"connect": {"/dunlin.v1.Ingress/SubmitSealed", sealedConnect},
	"rpc":     {"/rpc/%d", sealedRPC},
}

// checkPrint refuses what does not go with --print.
func checkPrint(c *cobra.Command, flags *submitFlags) error {
	if flags.print == "" {
		return nil
	}
	if _, known := sealedForms[flags.print]; !known {
		return usage(c, "--print %q: want rest, connect or rpc", flags.print)
	}
	switch {
	case !flags.sealed:
		return usage(c, "--print prints what was sealed: give --sealed, too")
	case flags.json:
		return usage(c, "--json prints what became of a transaction, and with --print it is not sent: leave one out")
	case flags.print == "rpc" && c.Flags().Changed("wait"):
		return usage(c, "dunlin_sendEncryptedTransaction always waits until it is included: leave out --wait, or use --print rest")
	}
	return nil
}

// printSealed seals p with the network's key and prints the request that would submit it.
func printSealed(ctx context.Context, c *cobra.Command, node *client.Client, flags *submitFlags, p client.Plain) error {
	key, err := node.EncryptionKey(ctx)
	if err != nil {
		return explainKey(node, err)
	}
	sealed, err := key.Seal(p)
	switch {
	case errors.Is(err, dag.ErrItem):
		return refused(err, "cut it into several transactions")
	case err != nil:
		return err
	}
	form := sealedForms[flags.print]
	raw, err := form.body(flags.wait, &sealed)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	path := form.path
	if strings.Contains(path, "%d") {
		path = fmt.Sprintf(path, p.Legs[0].Namespace)
	}
	fmt.Fprintf(c.ErrOrStderr(), "note: sealed, not sent; up to commit %d it can be, with: curl -H 'Content-Type: application/json' -d @- %s%s\n", p.ValidUntil, node.Endpoint(), path)
	_, err = fmt.Fprintf(c.OutOrStdout(), "%s\n", raw)
	return err
}

// sealedJSON is a sealed item in the JSON forms.
type sealedJSON struct {
	Namespaces []dag.Namespace `json:"namespaces,omitempty"`
	Ciphertext string          `json:"ciphertext"` // this and the next ones 0x-hex
	ValidUntil dag.CommitIndex `json:"valid_until_commit"`
	Sender     string          `json:"sender,omitempty"`
	Signature  string          `json:"signature,omitempty"`
}

func newSealedJSON(s *dag.Sealed) sealedJSON {
	j := sealedJSON{Namespaces: s.Namespaces, Ciphertext: "0x" + hex.EncodeToString(s.Ciphertext), ValidUntil: s.ValidUntil}
	if len(s.Sender) > 0 {
		j.Sender, j.Signature = "0x"+hex.EncodeToString(s.Sender), "0x"+hex.EncodeToString(s.Signature)
	}
	return j
}

func sealedREST(wait string, s *dag.Sealed) ([]byte, error) {
	return json.Marshal(struct {
		Items []sealedJSON `json:"items"`
		Wait  string       `json:"wait"`
	}{[]sealedJSON{newSealedJSON(s)}, wait})
}

func sealedConnect(wait string, s *dag.Sealed) ([]byte, error) {
	item := &dunlinv1.SealedItem{Ciphertext: s.Ciphertext, ValidUntilCommit: uint64(s.ValidUntil), Sender: s.Sender, Signature: s.Signature}
	for _, ns := range s.Namespaces {
		item.Namespaces = append(item.Namespaces, uint64(ns))
	}
	state := dunlinv1.Wait(dunlinv1.Wait_value["WAIT_"+strings.ToUpper(wait)])
	raw, err := protojson.Marshal(&dunlinv1.SubmitSealedRequest{Items: []*dunlinv1.SealedItem{item}, Wait: state})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Compact(&out, raw) // protojson puts spaces where it likes
	return out.Bytes(), err
}

func sealedRPC(_ string, s *dag.Sealed) ([]byte, error) {
	j := newSealedJSON(s)
	j.Namespaces = nil // the path names it
	return json.Marshal(struct {
		Version string       `json:"jsonrpc"`
		ID      int          `json:"id"`
		Method  string       `json:"method"`
		Params  []sealedJSON `json:"params"`
	}{"2.0", 1, "dunlin_sendEncryptedTransaction", []sealedJSON{j}})
}
