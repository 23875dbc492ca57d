package chronicle

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
)

const (
	// leastPage is how many bytes of a source are read at a time, unless one round may take more.
	leastPage = 8 << 20
	// pageRounds is how many rounds of a source are read at a time at most: the commits of a page come behind its
	// blocks, and blocks of a quiet network are so small that those of thousands of rounds are one page.
	pageRounds dag.Round = 1024
	// twins is how many blocks of one validator and round a page has room for.
	twins = 2
	// beyondHead is up to how many rounds behind the newest commit's blocks are looked for; a node holds
	// few that no commit has brought in.
	beyondHead dag.Round = 1 << 16
)

// Export writes everything that a source has into w, with the attached files by name; GenesisFile must be
// one of them. It blocks on both. The source must begin at the first commit; it may grow meanwhile, and what
// it had at the beginning is written.
func Export(ctx context.Context, w io.Writer, s Source, attached map[string][]byte) (Summary, error) {
	e := &exporter{out: newEncoder(w), source: s, next: 1}
	genesis, err := dag.DecodeGenesis(attached[GenesisFile])
	if err != nil {
		return Summary{}, fmt.Errorf("export history: %w", err)
	}
	e.page = max(leastPage, twins*len(genesis.Validators)*dag.MaxBlockBytes)
	e.summary.Network, e.summary.Head = genesis.Network(), s.Head()
	if err := e.run(ctx, attached); err != nil {
		return Summary{}, fmt.Errorf("export history: %w", err)
	}
	e.summary.Bytes = e.out.written
	return e.summary, nil
}

// exporter is Export at work.
type exporter struct {
	out     *encoder
	source  Source
	next    dag.CommitIndex // the next to write
	page    int             // bytes
	closure *closure
	summary Summary
}

func (e *exporter) run(ctx context.Context, attached map[string][]byte) error {
	e.out.begin()
	names := make([]string, 0, len(attached))
	for name := range attached {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		e.out.record(kindFile, append([]byte{byte(len(name))}, name...), attached[name])
	}
	var last dag.Round
	if head := e.summary.Head; head.Index > 0 {
		if _, ok, err := e.source.Commit(1); err != nil || !ok {
			return errors.Join(ErrPruned, err)
		}
		c, ok, err := e.source.Commit(head.Index)
		if err != nil || !ok {
			return fmt.Errorf("read commit %d: there %v: %w", head.Index, ok, err)
		}
		last = c.Round
	}
	e.closure = newClosure(last)
	if err := e.blocks(ctx, last+beyondHead); err != nil {
		return err
	}
	if err := e.commits(last); err != nil {
		return err
	}
	return e.out.end()
}

// blocks writes all blocks, and behind those of each page the commits of rounds that are over.
func (e *exporter) blocks(ctx context.Context, to dag.Round) error {
	for from := dag.Round(1); from <= to; {
		if err := ctx.Err(); err != nil {
			return err
		}
		raws, next, err := e.source.BlocksInRounds(from, min(to, from+pageRounds-1), e.page)
		if err != nil {
			return err
		}
		for _, raw := range raws {
			whole, err := e.closure.take(raw)
			if err != nil {
				return err
			}
			if whole {
				e.out.record(kindBlock, raw)
				e.summary.Blocks++
			}
		}
		if err := e.commits(next - 1); err != nil {
			return err
		}
		if e.out.err != nil {
			return e.out.err
		}
		from = next
	}
	return nil
}

// commits writes those of rounds up to one.
func (e *exporter) commits(to dag.Round) error {
	for ; e.next <= e.summary.Head.Index; e.next++ {
		c, ok, err := e.source.Commit(e.next)
		if err != nil || !ok {
			return fmt.Errorf("read commit %d: there %v: %w", e.next, ok, err)
		}
		if c.Round > to {
			return nil
		}
		e.out.record(kindCommit, c.Encode())
	}
	return nil
}

// encoder writes records and remembers the first error.
type encoder struct {
	out     *bufio.Writer
	hasher  *crypto.Hasher
	chain   crypto.Digest
	written int64
	err     error
}

func newEncoder(w io.Writer) *encoder {
	return &encoder{out: bufio.NewWriterSize(w, 1<<20), hasher: crypto.NewHasher(domainFile)}
}

func (e *encoder) begin() {
	start := binary.BigEndian.AppendUint32([]byte(magic), version)
	e.chain = e.hasher.Sum(start)
	e.write(start)
}

// record writes one record whose payload comes in parts.
func (e *encoder) record(kind byte, parts ...[]byte) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(size))
	payload := slices.Concat(parts...)
	e.chain = e.hasher.Sum(e.chain[:], head, payload)
	e.write(head)
	e.write(payload)
}

func (e *encoder) end() error {
	e.write(binary.BigEndian.AppendUint32([]byte{kindEnd}, crypto.DigestSize))
	e.write(e.chain[:])
	if e.err == nil {
		e.err = e.out.Flush()
	}
	return e.err
}

func (e *encoder) write(b []byte) {
	if e.err != nil {
		return
	}
	n, err := e.out.Write(b)
	e.written += int64(n)
	e.err = err
}
