package test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// Two of four validators stop in the middle of a sealed flow, so that ciphertexts stand in pools and blocks and
// nothing is ordered. Nobody who searches the two others - their memory, their files and logs, all that they
// serve, gossip and push - finds what is sealed, and every share that was ever said is for something else. What was
// submitted in the open is found everywhere: the search works. When the others are back it is revealed.
func TestSealedMarker(t *testing.T) {
	t.Parallel()
	const live, validators = 2, 4
	f := newFleet(t, devnet.Plan{Validators: validators})
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	hidden, open := []byte("sealed-marker-6b1f2d"), []byte("open-marker-90ac47")
	listener := startTap(f, validators)
	listener.watch(hidden)
	key := f.untilSealing(0)
	warm := startSealed(f, validators, "warming up:")
	warm.untilMore(50)
	warm.stop()
	listener.check(warm.acknowledged())

	_, err := f.clients[0].SubmitAndWait(t.Context(), client.Submission{Namespace: devnet.Open, Payloads: [][]byte{open}})
	if err != nil {
		t.Fatal(err)
	}
	at := f.until(0, "answers", func(status) bool { return true }).Commit
	for i := range f.network.Nodes {
		f.untilPast(i, at)
	}

	f.kill(2, 3)
	stolen, err := crypto.ReadKeyFile(filepath.Join(f.network.Nodes[3].Home, node.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	member := startTapAs(f, stolen.Identity, live) // in the place of a validator, whom the others push to
	member.watch(hidden)
	var users sync.WaitGroup
	sent := submitMarked(f, &users, live, key, hidden, open)
	time.Sleep(time.Second) // in which the live nodes say what they still can
	listener.settle(t.Context())
	member.settle(t.Context())
	if pushed := member.pushed(); pushed < live {
		t.Errorf("%d blocks were pushed to the listener in a validator's place", pushed)
	}
	member.close()
	head := f.until(0, "answers", func(status) bool { return true }).Commit

	search := f.search(live, hidden, open)
	for place, found := range search {
		if found.hidden {
			t.Errorf("%s holds what is sealed and not ordered", place)
		}
		if !found.open {
			t.Errorf("the search does not find in the %s what is open", place)
		}
	}
	ciphertexts, shares := listener.beyond()
	t.Logf("%d ciphertexts stand in blocks and in no commit", ciphertexts)
	if shares != 0 {
		t.Errorf("%d shares are for what is not ordered", shares)
	}
	for _, fault := range append(member.found(), listener.found()...) { // each share opens what its commit holds and nothing else
		t.Error(fault)
	}
	if now := f.until(0, "answers", func(status) bool { return true }).Commit; now != head {
		t.Fatalf("two of four validators went from commit %d to %d", head, now)
	}
	f.start(2, 3)
	f.untilProposing(f.all()...)
	users.Wait()
	f.checkFound(sent(), hidden)
	for _, fault := range listener.found() {
		t.Error(fault)
	}
}

// submitMarked submits ciphertexts and open transactions to the first nodes, which may answer late. The function
// that it returns is for when users are done: the ids of the ciphertexts.
func submitMarked(f *fleet, users *sync.WaitGroup, live int, key *client.EncryptionKey, hidden, open []byte) func() []crypto.Digest {
	f.t.Helper()
	info, err := f.clients[0].Info(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	until := dag.CommitIndex(info.GetWatermarks().GetCommitted()) + sealedAhead
	var mu sync.Mutex
	var ids []crypto.Digest
	for i := range live {
		for k := range 8 {
			plain := client.Plain{Legs: []dag.Leg{{Namespace: devnet.Open, Payload: fmt.Appendf(nil, "%d %d %s", i, k, hidden)}}, ValidUntil: until}
			item, err := key.Seal(plain)
			if err != nil {
				f.t.Fatal(err)
			}
			users.Go(func() {
				results, err := f.clients[i].SubmitSealed(f.t.Context(), client.SealedSubmission{Items: []dag.Sealed{item}, Wait: client.WaitNone})
				if err != nil || results[0].Err != nil {
					f.t.Errorf("submit: %v, %+v", err, results)
					return
				}
				mu.Lock()
				ids = append(ids, results[0].ID)
				mu.Unlock()
			})
			users.Go(func() {
				_, err := f.clients[i].Submit(f.t.Context(), client.Submission{
					Namespace: devnet.Open, Payloads: [][]byte{fmt.Appendf(nil, "%d %d %s", i, k, open)}, Wait: client.WaitNone,
				})
				if err != nil {
					f.t.Errorf("submit: %v", err)
				}
			})
		}
	}
	return func() []crypto.Digest { return ids }
}

// sighting is which of the two markers a place holds.
type sighting struct{ hidden, open bool }

func (s *sighting) look(chunk, hidden, open []byte) {
	s.hidden = s.hidden || bytes.Contains(chunk, hidden)
	s.open = s.open || bytes.Contains(chunk, open)
}

// search looks for markers in the files of all nodes, and in the memory and the answers of the live ones.
func (f *fleet) search(live int, hidden, open []byte) map[string]sighting {
	f.t.Helper()
	out := make(map[string]sighting)
	for i, n := range f.network.Nodes {
		var files sighting
		err := filepath.WalkDir(n.Home, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(path)
			files.look(content, hidden, open)
			return err
		})
		if err != nil {
			f.t.Fatal(err)
		}
		out["files of "+n.Name] = files
		if i >= live {
			continue
		}
		out["memory of "+n.Name] = f.searchMemory(i, hidden, open)
		out["answers of "+n.Name] = f.searchAnswers(i, hidden, open)
	}
	return out
}

// searchMemory looks through the whole memory of a node's process: pools, queues and buffers.
func (f *fleet) searchMemory(i int, hidden, open []byte) (s sighting) {
	f.t.Helper()
	process := filepath.Join("/proc", fmt.Sprint(f.running[i].cmd.Process.Pid))
	maps, err := os.ReadFile(filepath.Join(process, "maps"))
	if err != nil {
		f.t.Skipf("the memory of processes cannot be read here: %v", err)
	}
	memory, err := os.Open(filepath.Join(process, "mem"))
	if err != nil {
		f.t.Skipf("the memory of processes cannot be read here: %v", err)
	}
	defer memory.Close()
	const step = 1 << 20
	buffer := make([]byte, step+len(hidden)+len(open))
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		if _, err := fmt.Sscanf(line, "%x-%x rw", &from, &to); err != nil {
			continue
		}
		for at := from; at < to; at += step {
			n, err := memory.ReadAt(buffer[:min(int64(len(buffer)), to-at)], at)
			if err != nil && err != io.EOF {
				break // the system keeps it
			}
			s.look(buffer[:n], hidden, open)
		}
	}
	return s
}

// searchAnswers looks through all that a node streams, committed and revealed.
func (f *fleet) searchAnswers(i int, hidden, open []byte) (s sighting) {
	f.t.Helper()
	for _, item := range f.readRevealed(i) {
		for _, l := range item.Legs {
			s.look(l.Payload, hidden, open)
		}
	}
	for cursor := ""; ; {
		page, err := f.clients[i].Range(f.t.Context(), cursor)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, item := range page.GetItems() {
			s.look([]byte(item.String()), hidden, open)
		}
		if page.GetNextCursor() == cursor || len(page.GetItems()) == 0 {
			return s
		}
		cursor = page.GetNextCursor()
	}
}

// checkFound wants ciphertexts to be revealed everywhere with the marker in them.
func (f *fleet) checkFound(ids []crypto.Digest, marker []byte) {
	f.t.Helper()
	for i, n := range f.network.Nodes {
		eventually(f.t, n.Name+" reveals the marked ones", func() error {
			got := f.readRevealed(i)
			for _, id := range ids {
				item, ok := got[id]
				if !ok {
					r, err := f.clients[i].Status(f.t.Context(), id)
					return fmt.Errorf("%s is not there: %+v, %v", id, r, err)
				}
				if len(item.Legs) != 1 || !bytes.Contains(item.Legs[0].Payload, marker) {
					f.t.Fatalf("%s is %s with %d legs", id, item.Verdict, len(item.Legs))
				}
			}
			return nil
		})
	}
}

// One of four validators shares for what is in a block before it is in a commit. Whoever listens sees it.
func TestSealedPlantedShare(t *testing.T) {
	t.Parallel()
	broken, err := buildMutant("share-before-commit")
	if err != nil {
		t.Fatal(err)
	}
	const odd = 3
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.command[odd] = func(home string) []string { return []string{broken, "run", "--home", home} }
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	listener := startTap(f, 4)
	s := startSealed(f, 4, "too early:")
	eventually(t, "the early share is seen", func() error {
		for _, fault := range listener.found() {
			if strings.Contains(fault, f.network.Nodes[odd].Name+" shares for commit") {
				return nil
			}
		}
		return fmt.Errorf("found %q", listener.found())
	})
	s.stop()
	for _, fault := range listener.found() {
		if !strings.Contains(fault, f.network.Nodes[odd].Name) {
			t.Error(fault)
		}
	}
	s.checkRevealed()
}
