package chronicle

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"testing"

	"go.uber.org/goleak"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorded is a source in memory: the history of a network whose every validator makes every round.
type recorded struct {
	genesis *dag.Genesis
	rounds  [][]*dag.Verified // from round 1 on
	commits []*ordering.Commit

	earliest dag.CommitIndex // those before are pruned
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// record lets four validators make so many rounds and orders them.
func record(tb testing.TB, rounds int) *recorded {
	tb.Helper()
	r := &recorded{genesis: &dag.Genesis{
		Version: dag.GenesisVersion, Chain: "recorded", Created: 1,
		Namespaces: []dag.NamespaceRule{{ID: 7, Name: "open", Scheme: dag.SchemeOpen}},
	}}
	var keys []*crypto.Keys
	for _, name := range []string{"anna", "ben", "cleo", "dora"} {
		k, err := crypto.GenerateKeys(rand.Reader)
		check(tb, err)
		keys = append(keys, k)
		r.genesis.Validators = append(r.genesis.Validators, dag.GenesisValidator{Name: name, PublicKeys: k.Public()})
	}
	committee, err := r.genesis.Committee()
	check(tb, err)
	engine, err := ordering.NewEngine(ordering.Config{
		Committee: committee, Registry: r.genesis.Registry(), Self: ordering.Observer, Created: 1, Sealing: ordering.WithSealing,
	}, ordering.Restored{})
	check(tb, err)
	newest := make([]dag.Ref, len(keys))
	for a := range keys {
		newest[a] = committee.Genesis(dag.Author(a))
	}
	hasher := dag.NewItemHasher(committee.Network())
	for round := dag.Round(1); round <= dag.Round(rounds); round++ {
		parents := append([]dag.Ref(nil), newest...)
		var layer []*dag.Verified
		for a := range keys {
			item, err := (&dag.Transaction{Namespace: 7, ValidUntil: 50, Payload: []byte{byte(round), byte(a), 1, 2, 3}}).Encode(hasher)
			check(tb, err)
			own := append([]dag.Ref{parents[a]}, parents[:a]...)
			b, err := dag.Seal(committee, dag.Block{
				Round: round, Author: dag.Author(a), Time: uint64(round), LastCommit: engine.Head(),
				Parents: append(own, parents[a+1:]...), Items: []dag.Item{item},
			}, keys[a].Identity)
			check(tb, err)
			layer, newest[a] = append(layer, b), b.Ref()
		}
		for _, b := range layer {
			engine.Step(ordering.BlockReceived{From: ordering.Peer(b.Author()), Block: b})
		}
		r.rounds = append(r.rounds, layer)
		r.commits = append(r.commits, engine.Ready().Commits...)
	}
	if len(r.commits) < rounds/2 {
		tb.Fatalf("%d commits in %d rounds", len(r.commits), rounds)
	}
	return r
}

func (r *recorded) Head() dag.CommitRef { return r.commits[len(r.commits)-1].Ref() }

func (r *recorded) Commit(i dag.CommitIndex) (*ordering.Commit, bool, error) {
	if i < r.earliest {
		return nil, false, nil
	}
	return r.commits[i-1], true, nil
}

func (r *recorded) BlocksInRounds(from, to dag.Round, _ int) ([][]byte, dag.Round, error) {
	const page = 3 // rounds
	var raws [][]byte
	next := from
	for ; next <= to && next < from+page && int(next) <= len(r.rounds); next++ {
		for _, b := range r.rounds[next-1] {
			raws = append(raws, b.Bytes())
		}
	}
	if next == from || int(next) > len(r.rounds) {
		next = to + 1
	}
	return raws, next, nil
}

func (r *recorded) export(tb testing.TB) []byte {
	tb.Helper()
	var out bytes.Buffer
	sum, err := Export(context.Background(), &out, r, map[string][]byte{GenesisFile: r.genesis.Encode()})
	check(tb, err)
	if sum.Head != r.Head() || sum.Blocks != 4*len(r.rounds) || sum.Bytes != int64(out.Len()) || sum.Network != r.genesis.Network() {
		tb.Fatalf("summary %+v of %d rounds, %d bytes", sum, len(r.rounds), out.Len())
	}
	return out.Bytes()
}

// TestVerify: what was exported holds, and is made again commit by commit.
func TestVerify(t *testing.T) {
	r := record(t, 60)
	file := r.export(t)
	seen := &seen{}
	sum, err := Verify(t.Context(), bytes.NewReader(file), Features{Sealing: ordering.WithSealing}, seen)
	check(t, err)
	if sum.Head != r.Head() || sum.Blocks != 240 || sum.Bytes != int64(len(file)) || seen.commits != len(r.commits) || seen.blocks != 240 || seen.files != 1 {
		t.Fatalf("summary %+v, seen %+v", sum, seen)
	}
}

type seen struct{ files, blocks, commits int }

func (s *seen) Files(*dag.Genesis, map[string][]byte) error { s.files++; return nil }
func (s *seen) Blocks(b []*dag.Verified) error              { s.blocks += len(b); return nil }
func (s *seen) Commits(c []*ordering.Commit) error          { s.commits += len(c); return nil }

// TestPrunedSource: a history without its beginning is refused, since nobody could verify it.
func TestPrunedSource(t *testing.T) {
	r := record(t, 20)
	r.earliest = 2
	if _, err := Export(t.Context(), &bytes.Buffer{}, r, map[string][]byte{GenesisFile: r.genesis.Encode()}); !errors.Is(err, ErrPruned) {
		t.Errorf("export: %v, want %v", err, ErrPruned)
	}
}

// TestFlippedBytes: no byte of a file can change unnoticed.
func TestFlippedBytes(t *testing.T) {
	file := record(t, 30).export(t)
	seed := mathrand.Uint64()
	t.Logf("seed %d", seed)
	random := mathrand.New(mathrand.NewPCG(seed, 0))
	for range 200 {
		at := random.IntN(len(file))
		spoiled := bytes.Clone(file)
		spoiled[at] ^= byte(1 + random.IntN(255))
		if _, err := Verify(t.Context(), bytes.NewReader(spoiled), Features{Sealing: ordering.WithSealing}, nil); !errors.Is(err, ErrHistory) {
			t.Errorf("byte %d of %d changed: %v", at, len(file), err)
		}
	}
	for _, length := range []int{0, 5, 12, len(file) / 2, len(file) - 1} {
		if _, err := Verify(t.Context(), bytes.NewReader(file[:length]), Features{Sealing: ordering.WithSealing}, nil); !errors.Is(err, ErrHistory) {
			t.Errorf("cut to %d of %d bytes: %v", length, len(file), err)
		}
	}
	if _, err := Verify(t.Context(), bytes.NewReader(append(file, 0)), Features{Sealing: ordering.WithSealing}, nil); !errors.Is(err, ErrHistory) {
		t.Errorf("a byte too many: %v", err)
	}
}

// TestForgedHistories are files whose digest at the end is right, and whose content is not.
func TestForgedHistories(t *testing.T) {
	r := record(t, 30)
	other := record(t, 30)
	for name, forge := range map[string]func(*recorded){
		"a commit that the blocks do not make": func(f *recorded) {
			c := *f.commits[5]
			c.Time++
			c.Digest = c.ComputeDigest()
			f.commits[5] = &c
		},
		"more accepted than the digest covers": func(f *recorded) {
			c := *f.commits[5]
			c.Accepted = append(append([]ordering.Accepted(nil), c.Accepted...), c.Accepted[0])
			f.commits[5] = &c
		},
		"a block that is missing":        func(f *recorded) { f.rounds[9] = f.rounds[9][1:] },
		"commits beyond the blocks":      func(f *recorded) { f.rounds = f.rounds[:20] },
		"blocks of another network":      func(f *recorded) { f.rounds = other.rounds },
		"the genesis of another network": func(f *recorded) { f.genesis = other.genesis },
	} {
		t.Run(name, func(t *testing.T) {
			forged := &recorded{
				genesis: r.genesis, rounds: append([][]*dag.Verified(nil), r.rounds...), commits: append([]*ordering.Commit(nil), r.commits...),
			}
			forge(forged)
			var out bytes.Buffer
			_, err := Export(t.Context(), &out, forged, map[string][]byte{GenesisFile: forged.genesis.Encode()})
			check(t, err)
			if _, err := Verify(t.Context(), &out, Features{Sealing: ordering.WithSealing}, nil); !errors.Is(err, ErrHistory) {
				t.Errorf("verified: %v", err)
			}
		})
	}
}

// FuzzDecoder: no bytes make it panic, or set more aside than there is; only whole files come to their end.
// What is inside of records has fuzz targets where it is decoded.
func FuzzDecoder(f *testing.F) {
	var file bytes.Buffer
	e := newEncoder(&file)
	e.begin()
	e.record(kindFile, []byte("\x01gcontent"))
	e.record(kindBlock, []byte("block"))
	check(f, e.end())
	f.Add(file.Bytes())
	f.Add(file.Bytes()[:preamble])
	f.Fuzz(func(t *testing.T, b []byte) {
		d := newDecoder(bytes.NewReader(b))
		v := &verifier{in: d, files: make(map[string][]byte)}
		err := d.begin()
		for err == nil {
			var kind byte
			var payload []byte
			if kind, payload, err = d.next(); err == nil && kind == kindFile {
				err = v.file(payload)
			}
		}
		if cap(d.buffer) > 4*len(b)+4<<20 {
			t.Errorf("%d bytes set aside for %d", cap(d.buffer), len(b))
		}
		if errors.Is(err, io.EOF) && d.read != int64(len(b)) {
			t.Errorf("ended after %d of %d bytes", d.read, len(b))
		}
	})
}

// growing is a source that gets blocks while it is read: one of them late, when its round has been read.
type growing struct {
	*recorded
	late, seen int // author whose blocks of the last rounds come late; calls
}

func (g *growing) BlocksInRounds(from, to dag.Round, maxBytes int) ([][]byte, dag.Round, error) {
	raws, next, err := g.recorded.BlocksInRounds(from, to, maxBytes)
	var out [][]byte
	for _, raw := range raws {
		ref, _, err := dag.Outline(raw)
		if err != nil {
			return nil, 0, err
		}
		if int(ref.Round) == len(g.rounds)-1 && int(ref.Author) == g.late {
			g.seen++
			continue
		}
		out = append(out, raw)
	}
	return out, next, err
}

// TestGrowingSource: a block whose parent came too late is left out; what the commits need is there.
func TestGrowingSource(t *testing.T) {
	g := &growing{recorded: record(t, 60), late: 2}
	g.commits = g.commits[:len(g.commits)-5] // the rounds at the end came after the newest commit
	var out bytes.Buffer
	sum, err := Export(t.Context(), &out, g, map[string][]byte{GenesisFile: g.genesis.Encode()})
	check(t, err)
	if want := 4*60 - 1 - 4; sum.Blocks != want || g.seen != 1 { // the late one and the last round, which cites it
		t.Fatalf("%d blocks, %d late; want %d, 1", sum.Blocks, g.seen, want)
	}
	got, err := Verify(t.Context(), &out, Features{Sealing: ordering.WithSealing}, nil)
	check(t, err)
	if got != sum {
		t.Errorf("verified %+v, exported %+v", got, sum)
	}
}

// paged is a source of rounds that are so small that it gives as many at a time as it is asked for.
type paged struct {
	*recorded
	most dag.Round // that it was asked for at a time
}

func (p *paged) BlocksInRounds(from, to dag.Round, maxBytes int) ([][]byte, dag.Round, error) {
	p.most = max(p.most, to-from+1)
	return p.recorded.BlocksInRounds(from, to, maxBytes)
}

// TestSmallBlocks: however small the blocks of a long history are, the commits are never so far behind them in the
// file that Verify refuses it.
func TestSmallBlocks(t *testing.T) {
	p := &paged{recorded: record(t, 20)}
	_, err := Export(t.Context(), io.Discard, p, map[string][]byte{GenesisFile: p.genesis.Encode()})
	check(t, err)
	if p.most > maxAhead/2 {
		t.Errorf("%d rounds are read before their commits are written, and %d commits may be missing", p.most, maxAhead)
	}
}

// TestMeter: however the bytes are cut, all commits are counted.
func TestMeter(t *testing.T) {
	r := record(t, 30)
	file := r.export(t)
	for _, size := range []int{1, 3, 4096, len(file)} {
		var out bytes.Buffer
		var last Progress
		told := 0
		m := NewMeter(&out, r.Head().Index, func(p Progress) { last = p; told++ })
		for at := 0; at < len(file); at += size {
			_, err := m.Write(file[at:min(at+size, len(file))])
			check(t, err)
		}
		if !bytes.Equal(out.Bytes(), file) || last.Commits != r.Head().Index || last.Of != last.Commits || told == 0 {
			t.Errorf("pieces of %d: told %d times, the last %+v", size, told, last)
		}
	}
}
