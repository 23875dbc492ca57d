package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
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
  proof          GET /v1/transactions/{id}/proof or /v1/namespaces/{namespace}/proof: what it shows of an item or a
                 namespace stands under the header of its commit, which a certificate must cover
  receipt        the answer to POST /v1/submit with wait "received", or later: the node that signed it took
                 these transactions

The genesis file is all that is believed. Light updates count for all certificates among the files, and these for
all proofs: a proof is not accepted without the certificate of its commit. For an exported history there is:
dunlin log verify.

Exits with 3 if anything does not hold, with 1 if a file is missing that it takes to say.`,
		Example: `  curl -s $NODE/v1/light-update > keys.json
  curl -s $NODE/v1/commits/42/certificate > certificate.json
  curl -s "$NODE/v1/namespaces/open/proof?commit=42" > proof.json
  dunlin verify --genesis genesis.json keys.json certificate.json proof.json`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(c, "name the files to check")
			}
			return nil
		},
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
	Header      json.RawMessage `json:"header"`
	Receipt     json.RawMessage `json:"receipt"`
}

// verifier is what the files have shown so far.
type verifier struct {
	out       io.Writer
	committee *dag.Committee
	names     map[crypto.PublicKey]string // of the validators
	keys      []client.CertificateKey
	part      []client.CertificateKey // of a light update that goes on in the next file
	certified map[dag.CommitIndex]certifiedHeader
}

// certifiedHeader is the digest of a commit's header, and the commit whose certificate covers it.
type certifiedHeader struct {
	digest crypto.Digest
	commit dag.CommitIndex
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
	v := &verifier{out: out, committee: committee, names: map[crypto.PublicKey]string{}, certified: map[dag.CommitIndex]certifiedHeader{}}
	for i := range genesis.Validators {
		v.names[genesis.Validators[i].Identity] = genesis.Validators[i].Name
	}
	var answers []*savedAnswer
	for _, path := range paths {
		a, err := readAnswer(path)
		if err != nil {
			return err
		}
		answers = append(answers, a)
	}
	for _, pass := range []struct { // each stands on the ones before
		is    func(*savedAnswer) bool
		check func(*savedAnswer) error
	}{
		{func(a *savedAnswer) bool { return a.Keys != nil }, v.lightUpdate},
		{func(a *savedAnswer) bool { return a.Certificate != nil }, v.certificate},
		{func(a *savedAnswer) bool { return a.Header != nil }, v.proof},
		{func(a *savedAnswer) bool { return a.Receipt != nil }, v.receipt},
	} {
		for _, a := range answers {
			if !pass.is(a) {
				continue
			}
			if err := pass.check(a); err != nil {
				return err
			}
		}
		if err := v.goesOn(); err != nil {
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
	err = json.Unmarshal(a.raw, a)
	kinds := 0
	for _, field := range []*json.RawMessage{&a.Keys, &a.Certificate, &a.Header, &a.Receipt} {
		if bytes.Equal(*field, []byte("null")) {
			*field = nil
		}
		if *field != nil {
			kinds++
		}
	}
	switch {
	case err != nil:
		err = fmt.Errorf("%s is no JSON: %w", path, err)
	case kinds != 1:
		err = fmt.Errorf("%s holds none of light update, certificate, proof, receipt, or several", path)
	}
	if err != nil {
		return nil, withHint(err, "save one answer of a node as it is, as dunlin verify --help shows")
	}
	return a, nil
}

// lightUpdate proves keys.
func (v *verifier) lightUpdate(a *savedAnswer) error {
	found, more, err := a.keys(v.part)
	if err != nil {
		return err
	}
	if v.part = nil; more {
		v.part = found
		return nil
	}
	for i := range found {
		k := &found[i]
		if err := k.Prove(v.committee); err != nil {
			return refused(fmt.Errorf("%s: %w", a.path, err), "ask another node, an archive if this one no longer has the deals: else its key is not the one that the validators made")
		}
		fmt.Fprintf(v.out, "%s: key %d of epoch %d is %s, made by the validators; signs from commit %d\n", a.path, k.ID, k.Epoch, k.Public, k.From)
	}
	v.keys = append(v.keys, found...)
	return nil
}

// keys is the keys of a light update that goes on with those in part, and whether the next file goes on with these.
func (a *savedAnswer) keys(part []client.CertificateKey) (keys []client.CertificateKey, more bool, err error) {
	var form rollupapi.LightUpdateJSON
	if err := json.Unmarshal(a.raw, &form); err != nil {
		return nil, false, fmt.Errorf("%s: %w", a.path, err)
	}
	if keys, err = client.ReadCertificateKeys(form.Message()); err == nil {
		keys, err = client.JoinCertificateKeys(part, keys)
	}
	if err != nil {
		return nil, false, refused(fmt.Errorf("%s: %w", a.path, err), "save the answer again")
	}
	return keys, form.More, nil
}

// goesOn is an error where a light update is not there to its end.
func (v *verifier) goesOn() error {
	if len(v.part) == 0 {
		return nil
	}
	last := &v.part[len(v.part)-1]
	return withHint(fmt.Errorf("the light update goes on behind %d deals of key %d", last.Deals(), last.ID),
		"save /v1/light-update?from_key=%d&from_origin=%d too, and name its file behind the others", last.ID, last.Deals())
}

// certificate checks a certificate with keys that are proven.
func (v *verifier) certificate(a *savedAnswer) error {
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
	if err := commit.Verify(v.keys); err != nil {
		return refused(fmt.Errorf("%s: %w", a.path, err), "give the light update of the same network and epoch, too; if it is there, ask another node")
	}
	first, last := &commit.Headers[0], commit.Certificate.Commit
	for i := range commit.Headers {
		h := &commit.Headers[i]
		v.certified[h.Index] = certifiedHeader{h.ComputeDigest(), last.Index}
	}
	fmt.Fprintf(v.out, "%s: commit %d, digest %s, is certified by commit %d\n", a.path, first.Index, first.ComputeDigest(), last.Index)
	return nil
}
