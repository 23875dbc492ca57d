package chronicle

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// verifyBatch is how many blocks have their signatures checked together.
const verifyBatch = 256

// Visitor is told what Verify has found to be right: of the blocks, that they are signed; of the
// commits, that the blocks make exactly these.
type Visitor interface {
	// Files is called once, before anything else; network is that of the genesis among them.
	Files(genesis *dag.Genesis, files map[string][]byte) error
	// Blocks is called with blocks, ancestors first.
	Blocks([]*dag.Verified) error
	// Commits is called with commits in order, their Bodies filled.
	Commits([]*ordering.Commit) error
}

// Features is what every node of a network says of its optional parts.
type Features struct {
	Sealing       ordering.Sealing
	Certification ordering.Certification
}

// Verify reads a whole file and believes nothing in it: it checks the digest over the file, the genesis,
// every signature and digest of a block, and lets the order engine make every commit again from the
// blocks alone, to compare it byte by byte with the one in the file. That the genesis is that of the network in
// question is the caller's to check. features are what the network's nodes say; visitor may be nil.
// Errors wrap ErrHistory, or are those of r, ctx or the visitor.
func Verify(ctx context.Context, r io.Reader, features Features, visitor Visitor) (Summary, error) {
	v := &verifier{in: newDecoder(r), features: features, visitor: visitor, files: make(map[string][]byte)}
	if err := v.run(ctx); err != nil {
		return Summary{}, fmt.Errorf("verify history: %w", err)
	}
	v.summary.Bytes = v.in.read
	return v.summary, nil
}

// verifier is Verify at work.
type verifier struct {
	in        *decoder
	features  Features
	visitor   Visitor
	files     map[string][]byte
	committee *dag.Committee // nil until the files are over
	engine    *ordering.Engine
	raws      [][]byte           // blocks whose signatures are not checked yet
	made      []*ordering.Commit // that the engine made and the file has not named yet
	named     [][]byte           // encodings of those that the file has named and the engine not made yet
	summary   Summary
}

func (v *verifier) run(ctx context.Context) error {
	if err := v.in.begin(); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		kind, payload, err := v.in.next()
		if errors.Is(err, io.EOF) {
			return v.finish()
		}
		if err == nil {
			err = v.take(kind, payload)
		}
		if err != nil {
			return err
		}
	}
}

func (v *verifier) take(kind byte, payload []byte) error {
	if kind == kindFile {
		return v.file(payload)
	}
	if v.committee == nil {
		if err := v.start(); err != nil {
			return err
		}
	}
	switch kind {
	case kindBlock:
		v.raws = append(v.raws, append([]byte(nil), payload...))
		if len(v.raws) < verifyBatch {
			return nil
		}
		return v.blocks()
	case kindCommit:
		if err := v.blocks(); err != nil {
			return err
		}
		v.named = append(v.named, append([]byte(nil), payload...))
		return v.compare()
	}
	return describe("record of unknown kind %d", kind)
}

// file takes an attached file.
func (v *verifier) file(payload []byte) error {
	if len(payload) == 0 || len(payload) <= int(payload[0]) || v.committee != nil || len(v.files) == maxAttached {
		return describe("a malformed, late or one too many attached file")
	}
	name, content := string(payload[1:1+payload[0]]), payload[1+payload[0]:]
	if v.files[name] != nil || (name != GenesisFile && name != ConfigFile) {
		return describe("attached file %q is there twice or unknown", name)
	}
	v.files[name] = append([]byte{}, content...)
	return nil
}

// start reads the genesis and begins its order.
func (v *verifier) start() error {
	genesis, err := dag.DecodeGenesis(v.files[GenesisFile])
	if err != nil {
		return describe("%w", err)
	}
	if v.committee, err = genesis.Committee(); err != nil {
		return describe("%w", err)
	}
	v.summary.Network = genesis.Network()
	v.engine, err = ordering.NewEngine(ordering.Config{
		Committee: v.committee, Registry: genesis.Registry(), Self: ordering.Observer, Created: genesis.Created,
		Sealing: v.features.Sealing, Certification: v.features.Certification,
	}, ordering.Restored{})
	if err != nil {
		return describe("%w", err)
	}
	if v.visitor == nil {
		return nil
	}
	return v.visitor.Files(genesis, v.files)
}

// blocks checks the blocks that wait and gives them to the engine.
func (v *verifier) blocks() error {
	blocks, errs := dag.VerifyBatch(v.committee, v.raws)
	if err := errors.Join(errs...); err != nil {
		return describe("%w", err)
	}
	v.raws = v.raws[:0]
	for _, b := range blocks {
		v.engine.Step(ordering.BlockReceived{From: ordering.Peer(b.Author()), Block: b})
	}
	ready := v.engine.Ready()
	if ready.Fault != nil {
		return describe("the order ends: %w", ready.Fault)
	}
	v.summary.Blocks += len(blocks)
	v.made = append(v.made, ready.Commits...)
	if len(v.made) > maxAhead || len(v.named) > maxAhead {
		return describe("blocks and commits are more than %d commits apart", maxAhead)
	}
	if v.visitor != nil && len(blocks) > 0 {
		if err := v.visitor.Blocks(blocks); err != nil {
			return err
		}
	}
	return v.compare()
}

// compare holds the commits that the engine made against those that the file names.
func (v *verifier) compare() error {
	n := min(len(v.made), len(v.named))
	for i := range n {
		if made := v.made[i]; string(made.Encode()) != string(v.named[i]) {
			return describe("commit %d is not the one that its blocks make, %v", made.Index, made.Digest)
		}
	}
	if n == 0 {
		return nil
	}
	v.summary.Head = v.made[n-1].Ref()
	same := v.made[:n]
	v.made, v.named = v.made[n:], v.named[n:]
	if v.visitor == nil {
		return nil
	}
	return v.visitor.Commits(same)
}

// finish is for the end of the file.
func (v *verifier) finish() error {
	if v.committee == nil {
		if err := v.start(); err != nil {
			return err
		}
	}
	if err := v.blocks(); err != nil {
		return err
	}
	if len(v.named) > 0 {
		return describe("its blocks do not make the %d commits after %v", len(v.named), v.summary.Head)
	}
	return nil
}
