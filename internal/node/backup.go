package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/store"
	"github.com/dunlin-network/dunlin/store/chronicle"
)

// ExportHome writes the history of a home into w: its blocks and commits and the genesis, with the config if
// attach says so. The key is never in it. Where the node runs, it is asked for the history through its admin
// socket and goes on meanwhile. tell is called after every commit. It blocks on the disk.
func ExportHome(ctx context.Context, w io.Writer, dir string, attach Attach, tell func(chronicle.Progress)) (sum chronicle.Summary, err error) {
	home, err := LoadHome(dir)
	if err != nil {
		return sum, err
	}
	sum, err = askExport(ctx, w, home, attach, tell)
	if !errors.Is(err, errNotRunning) {
		return sum, err
	}
	s, err := openStore(home)
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return home.export(ctx, chronicle.NewMeter(w, s.Head().Index, tell), s, attach)
}

// export writes the history that a store has.
func (h *Home) export(ctx context.Context, w io.Writer, s chronicle.Source, attach Attach) (chronicle.Summary, error) {
	files := map[string][]byte{chronicle.GenesisFile: h.Genesis.Encode()}
	if attach == AttachConfig {
		var err error
		if files[chronicle.ConfigFile], err = h.Config.Encode(); err != nil {
			return chronicle.Summary{}, err
		}
	}
	sum, err := chronicle.Export(ctx, w, s, files)
	if errors.Is(err, chronicle.ErrPruned) {
		return sum, &HomeError{err, prunedAdvice}
	}
	return sum, err
}

// prunedAdvice is for who asks a node for a history of which it no longer has the beginning.
const prunedAdvice = "name the home of a node whose store.retention is archive and that did not begin from a snapshot; " +
	"this node can be made again without a history: with its config.toml, genesis.json and key.json it begins from a snapshot"

// Attach says what goes into an export beside the history.
type Attach uint8

const (
	// AttachGenesis is the least: a history cannot be verified without.
	AttachGenesis Attach = iota
	// AttachConfig is the home's config.toml as well, for a home to be made again.
	AttachConfig
)

// features is what every node of a network says of its optional parts.
var features = chronicle.Features{Sealing: ordering.WithSealing, Certification: ordering.WithCertificates}

// VerifyHistory reads what ExportHome wrote and makes its order again; see chronicle.Verify.
func VerifyHistory(ctx context.Context, r io.Reader) (chronicle.Summary, error) {
	return chronicle.Verify(ctx, r, features, nil)
}

// openStore opens a home's store as Run does, without a node.
func openStore(home *Home) (*store.Store, error) {
	committee, err := home.Genesis.Committee()
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s, _, err := store.Open(store.Options{Dir: home.DataDir(), Committee: committee, Self: home.self()})
	if err != nil {
		return nil, storeError(err)
	}
	return s, nil
}

// self is the node's author index, or ordering.Observer.
func (h *Home) self() dag.Author {
	if a, ok := h.Author(); ok {
		return a
	}
	return ordering.Observer
}

// RestoreHome makes the home dir, which must not exist yet or be empty, from what ExportHome wrote and a key: it verifies
// everything on the way. The log of signed blocks is not part of it, and the new home is in doubt: the
// node will ask 2f+1 others what its key has signed, and listen for another copy of itself, before it
// speaks. It blocks on the disk; after an error the home is incomplete, and no node starts from it.
func RestoreHome(ctx context.Context, r io.Reader, dir string, keys *crypto.Keys) (chronicle.Summary, error) {
	if there, err := os.ReadDir(dir); err == nil && len(there) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return chronicle.Summary{}, homeError("choose another directory", "restore home: %w", cmp.Or(err, fmt.Errorf("%s is there already and is not empty", dir)))
	}
	f := &refill{dir: dir, keys: keys}
	sum, err := chronicle.Verify(ctx, r, features, f)
	if f.store != nil {
		err = errors.Join(err, f.store.Close())
	}
	if err == nil && f.genesis == nil {
		err = fmt.Errorf("%w: no genesis", chronicle.ErrHistory)
	}
	if err == nil {
		err = f.finish()
	}
	if err != nil {
		return sum, homeError("remove "+dir+" and restore again", "restore home: %w", err)
	}
	return sum, nil
}

// refill writes a verified history into a new home.
type refill struct {
	dir     string
	keys    *crypto.Keys
	genesis *dag.Genesis
	store   *store.Store
}

// Files makes the home but for its genesis, without which it is incomplete.
func (f *refill) Files(genesis *dag.Genesis, files map[string][]byte) error {
	h := &Home{Dir: f.dir, Genesis: genesis, Keys: f.keys, Config: DefaultConfig()}
	if text, ok := files[chronicle.ConfigFile]; ok {
		var err error
		if h.Config, err = ParseConfig(text); err != nil {
			return err
		}
	}
	if a, ok := h.Author(); ok {
		h.Config.Name = genesis.Validators[a].Name
	}
	if err := WriteKey(f.dir, h.Config, f.keys); err != nil {
		return err
	}
	if err := createData(f.dir, genesis, f.keys); err != nil {
		return err
	}
	f.genesis = genesis
	var err error
	f.store, err = openStore(h)
	return err
}

// Blocks keeps blocks.
func (f *refill) Blocks(blocks []*dag.Verified) error { return f.store.Append(blocks) }

// Commits keeps commits; their blocks become durable first.
func (f *refill) Commits(commits []*ordering.Commit) error {
	if err := f.store.Sync(); err != nil {
		return err
	}
	return f.store.PutCommits(commits)
}

// finish takes the log away, which is not that of the key's past, and completes the home.
func (f *refill) finish() error {
	data := filepath.Join(f.dir, DataDir)
	if err := touch(filepath.Join(data, doubtFile)); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(data, "log")), syncDirectory(data)); err != nil {
		return err
	}
	return writeNew(filepath.Join(f.dir, GenesisFile), f.genesis.Encode(), 0o644)
}
