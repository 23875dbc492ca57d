package corruption

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/ordering"
	"github.com/dunlin-network/dunlin/store"
)

// The outcomes that the table in docs/corruption.md explains.
const (
	untouched   = "no harm"
	fromLog     = "made again from the log"
	again       = "made again by the order"
	asksOthers  = "asks the others"
	joinsAgain  = "takes a snapshot again"
	onRead      = "refused when read"
	refusedLog  = "refused: damaged log"
	refusedCopy = "refused: damaged database"
	refusedHome = "refused: home"

	takenForEdit = "taken for an edit"
)

// open opens a harmed home as a node does and says what came of it. An error is what must not be: an
// answer that is wrong, or a refusal without the next command.
func open(home string, was *memory) (string, error) {
	h, err := node.LoadHome(home)
	if err != nil {
		var hinted interface{ Hint() string }
		if !errors.As(err, &hinted) || hinted.Hint() == "" {
			return "", fmt.Errorf("no next command: %w", err)
		}
		return refusedHome, nil
	}
	committee, err := h.Genesis.Committee()
	if err != nil {
		return "", err
	}
	made := node.DefaultConfig()
	made.Name = h.Genesis.Validators[0].Name
	if len(h.Config.P2P.Peers) == 0 {
		h.Config.P2P.Peers = nil
	}
	if !reflect.DeepEqual(h.Config, made) {
		return takenForEdit, nil
	}
	s, found, err := store.Open(storeOptions(home, committee))
	if err != nil {
		return refusal(err)
	}
	outcome, err := examine(s, found, committee, was)
	if closing := s.Close(); closing != nil {
		return "", closing
	}
	return outcome, err
}

func refusal(err error) (string, error) {
	var damage *store.CorruptError
	switch {
	case !errors.As(err, &damage) || !errors.Is(err, store.ErrCorrupt):
		return "", fmt.Errorf("not named as damage: %w", err)
	case strings.Contains(damage.Next, "--accept-damaged-log"):
		return refusedLog, nil
	case strings.Contains(damage.Next, "mv ") && strings.Contains(damage.Next, "dunlin run --home"):
		return refusedCopy, nil
	case strings.Contains(damage.Next, node.GenesisFile):
		return refusedHome, nil
	}
	return "", fmt.Errorf("no next command: %w", err)
}

// examine compares all that an open store answers with what there was.
func examine(s *store.Store, found *store.Recovery, committee *dag.Committee, was *memory) (string, error) {
	blocks, commits, err := was.decode(committee)
	if err != nil {
		return "", err
	}
	if found.Log == store.LogMissing || found.Log == store.LogDamaged {
		return asksOthers, nil
	}
	newest := newestOf(blocks, 0)
	if found.OwnLast == nil || found.OwnLast.Ref() != newest {
		return "", fmt.Errorf("the log passes for %v without the newest own block %v", found.Log, newest)
	}
	outcome := untouched
	if found.Report.BadgerDamage != nil || found.Report.Replayed > 0 {
		outcome = fromLog
	}
	if len(was.Window) > 0 && found.Head == nil {
		return joinsAgain, nil // as a new node does
	}
	if s.Head().Index < commits[len(commits)-1].Index {
		// The engine makes the commits again, from what the log and the peers have.
		if outcome == untouched {
			outcome = again
		}
		if err := errors.Join(s.Append(blocks), s.Sync(), s.PutCommits(commits)); err != nil {
			return refusal(err)
		}
	}
	err = errors.Join(compare(s, commits), compareWindow(s, was.Window))
	if errors.Is(err, store.ErrCorrupt) {
		_, err = refusal(err)
		return onRead, err
	}
	return outcome, err
}

// compare reads everything in every way.
func compare(s *store.Store, commits []*ordering.Commit) error {
	var damage error
	for _, want := range commits {
		got, ok, err := s.Commit(want.Index)
		switch {
		case errors.Is(err, store.ErrCorrupt):
			damage = err
			continue
		case err != nil || !ok:
			return fmt.Errorf("commit %d: there %v: %w", want.Index, ok, err)
		case got.Digest != want.Digest || len(got.Accepted) != len(want.Accepted) || len(got.Bodies) != len(want.Blocks):
			return fmt.Errorf("commit %d is not what it was", want.Index)
		}
		for i, a := range want.Accepted {
			at, ok, err := s.Lookup(a.ID)
			if errors.Is(err, store.ErrCorrupt) {
				damage = err
			} else if err != nil || !ok || at.Commit != want.Index || at.Index != uint32(i) {
				return fmt.Errorf("look up item %d of commit %d: %v, %v, %w", i, want.Index, at, ok, err)
			}
		}
	}
	listed, err := s.CommitsOfNamespace(namespace, 0, len(commits)+1)
	if errors.Is(err, store.ErrCorrupt) {
		return err
	}
	if err != nil || len(listed) != len(commits) {
		return fmt.Errorf("%d of %d commits of the namespace: %w", len(listed), len(commits), err)
	}
	return damage
}

// compareWindow reads what came with a snapshot.
func compareWindow(s *store.Store, was [][]byte) error {
	if len(was) == 0 {
		return nil
	}
	found := 0
	err := s.Window(func(c *ordering.Commit) error {
		if int(c.Index) > len(was) {
			return nil
		}
		if found++; !bytes.Equal(c.EncodeRecord(), was[c.Index-1]) {
			return fmt.Errorf("commit %d of the window is not what it was", c.Index)
		}
		return nil
	})
	if err == nil && found != len(was) {
		return fmt.Errorf("%d of %d commits of the window", found, len(was))
	}
	return err
}

func newestOf(blocks []*dag.Verified, author dag.Author) (newest dag.Ref) {
	for _, b := range blocks {
		if b.Author() == author && b.Round() > newest.Round {
			newest = b.Ref()
		}
	}
	return newest
}

func recall(path string) (*memory, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var m memory
	return &m, gob.NewDecoder(f).Decode(&m)
}

func (m *memory) decode(committee *dag.Committee) ([]*dag.Verified, []*ordering.Commit, error) {
	blocks, errs := dag.VerifyBatch(committee, m.Blocks)
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	byRef := make(map[dag.Ref]*dag.Verified, len(blocks))
	for _, b := range blocks {
		byRef[b.Ref()] = b
	}
	var commits []*ordering.Commit
	for _, raw := range m.Commits {
		c, err := ordering.DecodeCommit(raw)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range c.Blocks {
			c.Bodies = append(c.Bodies, byRef[r])
		}
		commits = append(commits, c)
	}
	return blocks, commits, nil
}
