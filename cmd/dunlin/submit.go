package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// submitPatience is how long a transaction may take as far as --wait asks.
const submitPatience = time.Minute

// submitFlags are what the command line says of a transaction.
type submitFlags struct {
	api, namespace, file, key, wait, genesis, print string
	validFor                                        uint64
	json, sealed                                    bool
}

// submitWaits is what --wait takes.
var submitWaits = map[string]client.Wait{
	"none": client.WaitNone, "included": client.WaitIncluded, "committed": client.WaitCommitted, "revealed": client.WaitRevealed,
	"certified": client.WaitCertified,
}

const submitLong = `Submit a transaction and say what became of it. The payload is PAYLOAD as text, or as bytes if it
starts with 0x; or the content of --file; or, without either, what comes on standard input.

With --sealed it is encrypted here and now to the network's validators, and nobody reads it before its
place in the order is fixed. With --wait revealed the command waits until it has been opened. The key comes
from the node; with --genesis it is used only if the validators of that genesis file have signed what it
is made of. Without, a node that lies about the key can read along.

With --wait certified it waits, after all that, for the certificate of the commit: one signature by 2f+1 validators,
which is checked with the network's certificate key; the --genesis holds for that key, too.

With --print nothing is sent: the request is printed, sealed, for curl -d @- or another program to send, at
once or later (it expires with --valid-for). It is the body of POST /v1/submit/sealed (rest), of
/dunlin.v1.Ingress/SubmitSealed (connect), or of dunlin_sendEncryptedTransaction at /rpc/NAMESPACE (rpc).

Namespaces of scheme ethereum take signed Ethereum transactions (0x...). Those of scheme ed25519 need
--key, a key file as "dunlin init" makes it.

Exits with 3 if the transaction is refused or has expired.`

func newSubmit() *cobra.Command {
	var flags submitFlags
	c := &cobra.Command{
		Use:   "submit [PAYLOAD]",
		Short: "Submit a transaction and say what became of it",
		Long:  submitLong,
		Example: `  dunlin submit --namespace open hello
  dunlin submit --namespace 1001 0x02f8...
  dunlin submit --namespace open --sealed --genesis genesis.json --wait revealed hello
  dunlin submit --namespace open --sealed --print rest hello | curl -d @- http://127.0.0.1:8080/v1/submit/sealed
  dunlin submit --namespace signed --key alice/key.json --file order.bin`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			wait, known := submitWaits[flags.wait]
			if !known {
				return usage(c, "--wait %q: want none, included, committed, revealed or certified", flags.wait)
			}
			if flags.genesis != "" && !flags.sealed && wait != client.WaitCertified {
				return usage(c, "--genesis checks the keys of --sealed and of --wait certified: give one of them, or leave it out")
			}
			if err := checkPrint(c, &flags); err != nil {
				return err
			}
			payload, err := readPayload(c, args, flags.file)
			if err != nil {
				return err
			}
			return submit(c, &flags, wait, payload)
		},
	}
	apiFlag(c, &flags.api)
	f := c.Flags()
	f.StringVar(&flags.namespace, "namespace", "open", "id or name of the rollup's namespace")
	f.StringVar(&flags.file, "file", "", "file that holds the payload")
	f.StringVar(&flags.key, "key", "", "key file to sign with (ed25519 namespaces)")
	f.Uint64Var(&flags.validFor, "valid-for", dag.ValidityWindow/2, "with --key or --sealed: commits after which the transaction expires")
	f.StringVar(&flags.wait, "wait", "committed", "what to wait for: none, included, committed, revealed or certified")
	f.BoolVar(&flags.sealed, "sealed", false, "encrypt it, so that nobody reads it before its place in the order is fixed")
	f.StringVar(&flags.genesis, "genesis", "", "with --sealed or --wait certified: genesis file of the network, to check the key that the node gives")
	f.StringVar(&flags.print, "print", "", "with --sealed: print the request for rest, connect or rpc instead of sending it")
	f.BoolVar(&flags.json, "json", false, "print one JSON object")
	return c
}

// readPayload takes the payload from where the command line says.
func readPayload(c *cobra.Command, args []string, file string) ([]byte, error) {
	var payload []byte
	var err error
	switch {
	case len(args) == 1 && file != "":
		return nil, usage(c, "give the payload as an argument or as --file, not both")
	case len(args) == 1 && strings.HasPrefix(args[0], "0x"):
		if payload, err = hex.DecodeString(args[0][2:]); err != nil {
			return nil, usage(c, "payload %.20s...: %w", args[0], err)
		}
	case len(args) == 1:
		payload = []byte(args[0])
	case file != "":
		payload, err = readAll(os.Open(file))
	default:
		payload, err = readAll(c.InOrStdin(), nil)
	}
	switch {
	case err != nil:
		return nil, withHint(fmt.Errorf("read payload: %w", err), "%s --help", c.CommandPath())
	case len(payload) == 0:
		return nil, usage(c, "the payload is empty")
	case len(payload) > dag.MaxTransactionBytes:
		return nil, refused(fmt.Errorf("a payload of more than %d bytes", dag.MaxTransactionBytes), "cut it into several transactions")
	}
	return payload, nil
}

// readAll reads one byte more than a payload may have, at most, and closes what is a file.
func readAll(r io.Reader, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(r, dag.MaxTransactionBytes+1))
	if file, ok := r.(*os.File); ok && file != os.Stdin {
		err = errors.Join(err, file.Close())
	}
	return raw, err
}

func submit(c *cobra.Command, flags *submitFlags, wait client.Wait, payload []byte) error {
	node, err := connectToSubmit(flags)
	if err != nil {
		return err
	}
	defer node.Close()
	ctx, cancel := context.WithTimeout(c.Context(), submitPatience)
	defer cancel()
	network, ns, err := namespaceOf(ctx, node, flags.namespace)
	if err != nil {
		return err
	}
	s := client.Submission{Namespace: dag.Namespace(ns.GetId()), Payloads: [][]byte{payload}, Wait: wait}
	var result client.Result
	switch signed := ns.GetScheme() == string(dag.SchemeEd25519); {
	case signed && flags.key == "":
		return usage(c, "namespace %s takes signed transactions: name a key file with --key", flags.namespace)
	case flags.sealed:
		sayUnproven(c, node, flags)
		plain, err := plainOf(network, flags, dag.Leg{Namespace: s.Namespace, Payload: payload})
		if err != nil {
			return err
		}
		if flags.print != "" {
			return printSealed(ctx, c, node, flags, plain)
		}
		if result, err = submitSealed(ctx, node, wait, plain); err != nil {
			return err
		}
	case !signed && flags.key != "":
		return usage(c, "namespace %s takes transactions without --key: its scheme is %s", flags.namespace, ns.GetScheme())
	case signed:
		if err := sign(&s, network, flags); err != nil {
			return err
		}
		fallthrough
	default:
		if result, err = submitPlain(ctx, node, s); err != nil {
			return err
		}
	}
	if wait == client.WaitCertified {
		if !flags.sealed {
			sayUnproven(c, node, flags)
		}
		if result, err = awaitCertificate(ctx, node, result); err != nil {
			return err
		}
	}
	return printSubmitted(c.OutOrStdout(), flags, ns, result)
}

// submitPlain sends what is not sealed and waits as far as s asks, for a certificate not yet.
func submitPlain(ctx context.Context, node *client.Client, s client.Submission) (client.Result, error) {
	if s.Wait != client.WaitNone && s.Wait != client.WaitIncluded {
		result, err := node.SubmitAndWait(ctx, s)
		return result, explain(node, err)
	}
	results, err := node.Submit(ctx, s)
	if err != nil {
		return client.Result{}, explain(node, err)
	}
	if refusal := results[0].Err; refusal != nil {
		return client.Result{}, explain(node, refusal)
	}
	return results[0], nil
}

// sign puts sender, signature and the time until which it is valid into a submission.
func sign(s *client.Submission, network *dunlinv1.GetNetworkResponse, flags *submitFlags) error {
	keys, err := crypto.ReadKeyFile(flags.key)
	if err != nil {
		return withHint(err, "make one with: dunlin init --home DIR")
	}
	id, err := crypto.ParseDigest(network.GetNetworkId())
	if err != nil {
		return fmt.Errorf("read network id: %w", err)
	}
	s.ValidUntil = dag.CommitIndex(network.GetWatermarks().GetCommitted() + flags.validFor)
	sender := keys.Identity.Public()
	tx := dag.Transaction{Namespace: s.Namespace, ValidUntil: s.ValidUntil, Payload: s.Payloads[0]}
	signature := keys.Identity.Sign(crypto.DomainTxSignature, tx.SigningDigest(id))
	s.Sender, s.Signatures = sender[:], [][]byte{bytes.Clone(signature[:])}
	return nil
}

// submitted is what --json prints.
type submitted struct {
	ID        crypto.Digest   `json:"id"`
	Namespace uint64          `json:"namespace"`
	State     client.State    `json:"state"`
	Commit    dag.CommitIndex `json:"commit,omitempty"`
	Index     uint32          `json:"index"`
}

func printSubmitted(out io.Writer, flags *submitFlags, ns *dunlinv1.NamespaceInfo, r client.Result) error {
	if flags.json {
		return printJSON(out, submitted{r.ID, ns.GetId(), r.State, r.Commit, r.Index})
	}
	if r.State == client.Committed || r.State == client.Revealed || r.State == client.Certified {
		_, err := fmt.Fprintf(out, "%s is %s: item %d of commit %d\n", r.ID, strings.ToLower(string(r.State)), r.Index, r.Commit)
		return err
	}
	_, err := fmt.Fprintf(out, "%s is %s\n", r.ID, strings.ToLower(string(r.State)))
	return err
}
