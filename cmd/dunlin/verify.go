package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// maxVerifyFile is how many bytes of a file are read: a light update of 256 validators takes 60 MB.
const maxVerifyFile = 128 << 20

func newVerify() *cobra.Command {
	var genesis string
	c := &cobra.Command{
		Use:   "verify FILE...",
		Short: "Check what nodes have said about the order, offline",
		Long: `Check answers of nodes that were saved as files, without asking any node:

  light update   GET /v1/light-update: the keys that certificates are signed with are made again from the
                 validators' signed deals
  certificate    GET /v1/commits/{index}/certificate: the headers chain to a commit that 2f+1 validators signed

The genesis file is all that is believed. Light updates count for all certificates among the files. For an exported
history there is: dunlin log verify.

Exits with 3 if anything does not hold.`,
		Example: `  curl -s $NODE/v1/light-update > keys.json
  curl -s $NODE/v1/commits/42/certificate > certificate.json
  dunlin verify --genesis genesis.json keys.json certificate.json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return verifyAnswers(c.OutOrStdout(), genesis, args) },
	}
	c.Flags().StringVar(&genesis, "genesis", "", "genesis file of the network")
	if err := c.MarkFlagRequired("genesis"); err != nil {
		panic(err)
	}
	return c
}

// savedAnswer is a file by the fields that tell what it is.
type savedAnswer struct {
	path        string
	raw         []byte
	Keys        json.RawMessage `json:"keys"`
	Certificate json.RawMessage `json:"certificate"`
}

func verifyAnswers(out io.Writer, genesisFile string, paths []string) error {
	genesis, err := node.LoadGenesis(genesisFile)
	if err != nil {
		return err
	}
	committee, err := genesis.Committee()
	if err != nil {
		return err
	}
	var certificates []*savedAnswer
	var keys []client.CertificateKey
	for _, path := range paths {
		a, err := readAnswer(path)
		if err != nil {
			return err
		}
		if a.Certificate != nil {
			certificates = append(certificates, a)
			continue
		}
		found, err := a.keys()
		if err != nil {
			return err
		}
		for i := range found {
			if err := found[i].Prove(committee); err != nil {
				return refused(fmt.Errorf("%s: %w", path, err), "ask another node, an archive if this one no longer has the deals: else its key is not the one that the validators made")
			}
			fmt.Fprintf(out, "%s: key %d of epoch %d is %s, made by the validators; signs from commit %d\n", path, found[i].ID, found[i].Epoch, found[i].Public, found[i].From)
		}
		keys = append(keys, found...)
	}
	for _, a := range certificates {
		if err := a.verify(out, keys); err != nil {
			return err
		}
	}
	return nil
}

// readAnswer reads a file and finds out what it is.
func readAnswer(path string) (*savedAnswer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, withHint(err, "name files that hold answers of a node's REST API")
	}
	defer f.Close()
	a := &savedAnswer{path: path}
	if a.raw, err = io.ReadAll(io.LimitReader(f, maxVerifyFile+1)); err != nil {
		return nil, err
	}
	if len(a.raw) > maxVerifyFile {
		return nil, fmt.Errorf("%s: more than %d MiB", path, maxVerifyFile>>20)
	}
	if err := json.Unmarshal(a.raw, a); err != nil || (a.Keys == nil) == (a.Certificate == nil) {
		return nil, withHint(errors.Join(fmt.Errorf("%s holds neither a certificate nor a light update", path), err), "save the answer to GET /v1/commits/{index}/certificate or GET /v1/light-update")
	}
	return a, nil
}

func (a *savedAnswer) keys() ([]client.CertificateKey, error) {
	var form rollupapi.LightUpdateJSON
	if err := json.Unmarshal(a.raw, &form); err != nil {
		return nil, fmt.Errorf("%s: %w", a.path, err)
	}
	keys, err := client.ReadCertificateKeys(form.Message())
	if err != nil {
		return nil, refused(fmt.Errorf("%s: %w", a.path, err), "save the answer again")
	}
	return keys, nil
}

// verify checks a certificate with keys that are proven.
func (a *savedAnswer) verify(out io.Writer, keys []client.CertificateKey) error {
	var form rollupapi.CertificateJSON
	if err := json.Unmarshal(a.raw, &form); err != nil {
		return fmt.Errorf("%s: %w", a.path, err)
	}
	commit, err := client.ReadCertified(form.Message())
	if err != nil {
		return refused(fmt.Errorf("%s: %w", a.path, err), "save the answer again")
	}
	if commit.More {
		last := commit.Headers[len(commit.Headers)-1].Index
		return withHint(fmt.Errorf("%s proves nothing: its headers end with commit %d, the signed one is %d", a.path, last, commit.Certificate.Commit.Index),
			"check a later commit, or fetch the chain piece by piece from commit %d on", last)
	}
	if err := commit.Verify(keys); err != nil {
		return refused(fmt.Errorf("%s: %w", a.path, err), "give the light update of the same network and epoch, too; if it is there, ask another node")
	}
	first, last := &commit.Headers[0], commit.Certificate.Commit
	fmt.Fprintf(out, "%s: commit %d, digest %s, is certified by commit %d\n", a.path, first.Index, first.ComputeDigest(), last.Index)
	return nil
}
