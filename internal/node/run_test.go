package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	"github.com/dunlin-network/dunlin/store"
)

// Four nodes order a submission; one that stops and starts again has all of it and proposes.
func TestFourNodes(t *testing.T) {
	c := newCluster(t, nil)
	c.start()
	first := c.nodes[0].submit([]byte("first"))
	for _, n := range c.nodes {
		n.untilCommitted(first)
	}
	away := c.nodes[3]
	away.untilProposing()
	away.halt()
	second := c.nodes[1].submit([]byte("while one is away"))
	c.nodes[2].untilCommitted(second)
	head := c.nodes[2].until("answers", func(client.NodeStatus) bool { return true }).Commit

	away.start()
	away.untilCommitted(second)
	away.until("catches up", func(s client.NodeStatus) bool { return s.Commit > head && s.Proposing })
	third := away.submit([]byte("from the one that was away"))
	for _, n := range c.nodes {
		n.untilCommitted(third)
		order := n.order()
		for _, id := range []crypto.Digest{first, second, third} {
			if times(order, id) != 1 {
				t.Errorf("%s has %s %d times", n.home, id, times(order, id))
			}
		}
		if s := n.until("answers", func(client.NodeStatus) bool { return true }); s.Equivocators != 0 {
			t.Errorf("%s holds evidence against %d validators", n.home, s.Equivocators)
		}
	}
	for i := dag.CommitIndex(1); i <= head; i++ {
		for _, n := range c.nodes[1:] {
			if got, want := n.commitDigest(i), c.nodes[0].commitDigest(i); got != want {
				t.Fatalf("commit %d: %s has %s, %s has %s", i, n.home, got, c.nodes[0].home, want)
			}
		}
	}
}

// An observer follows the order, serves it, and passes on what is submitted to it.
func TestObserver(t *testing.T) {
	c := newCluster(t, nil)
	observer := c.addObserver()
	c.start()
	early := c.nodes[0].submit([]byte("to a validator"))
	observer.untilCommitted(early)
	s := observer.until("has peers", func(s client.NodeStatus) bool { return s.Peers == 4 })
	if s.Role != rollupapi.RoleObserver || s.Proposing || !strings.Contains(s.Reason, "observer") || s.Author != "" {
		t.Errorf("status %+v, want an observer that does not propose", s)
	}

	var ids []crypto.Digest
	for i := range 5 {
		ids = append(ids, observer.submit(fmt.Appendf(nil, "to the observer %d", i)))
	}
	for _, n := range c.nodes {
		for _, id := range ids {
			n.untilCommitted(id)
		}
		order := n.order()
		for _, id := range append(ids, early) {
			if times(order, id) != 1 {
				t.Errorf("%s has %s %d times", n.home, id, times(order, id))
			}
		}
	}
}

// Without space on its disk a validator reads on and says why it does not propose.
func TestDiskGuard(t *testing.T) {
	var disk unix.Statfs_t
	if err := unix.Statfs(t.TempDir(), &disk); err != nil {
		t.Fatal(err)
	}
	if disk.Bavail*uint64(disk.Bsize) > maxFreeDiskMiB<<20 {
		t.Skip("more space than min_free_disk_mib can ask for")
	}
	c := newCluster(t, func(i int, c *Config) {
		if i == 3 {
			c.Limits.MinFreeDiskMiB = maxFreeDiskMiB
		}
	})
	c.start()
	full := c.nodes[3]
	full.until("stops proposing", func(s client.NodeStatus) bool { return !s.Proposing && strings.Contains(s.Reason, "disk") })
	id := c.nodes[0].submit([]byte("to a node with space"))
	full.untilCommitted(id)
	if n := times(full.order(), id); n != 1 {
		t.Errorf("the full node serves the transaction %d times", n)
	}
	results, err := full.client().SubmitBatch(t.Context(), openNamespace, [][]byte{[]byte("to the full node")})
	if err != nil {
		t.Fatal(err)
	}
	if r := results[0]; r.State != client.Rejected || r.Err == nil || r.Err.Reason != string(rollupapi.ReasonNotProposing) || r.Err.RetryAfter <= 0 {
		t.Errorf("submission to the full node: %s, %+v; want a refusal that names NOT_PROPOSING", r.State, r.Err)
	}
}

// A node whose log cannot be written ends with an error, and goes on when there is space again.
func TestStoreFailureEndsRun(t *testing.T) {
	c := newCluster(t, nil)
	c.start()
	victim := c.nodes[2]
	id := victim.submit([]byte("before the disk fails"))
	victim.untilProposing()
	breakLog(t, filepath.Join(victim.home, DataDir))
	if err := victim.ended(); !errors.Is(err, store.ErrFatal) && !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("run ended with %v, want the store's error", err)
	}
	other := c.nodes[0].submit([]byte("with three nodes"))
	victim.start()
	victim.untilProposing()
	victim.untilCommitted(id)
	victim.untilCommitted(other)
	for _, n := range c.nodes {
		if s := n.until("answers", func(client.NodeStatus) bool { return true }); s.Equivocators != 0 {
			t.Errorf("%s holds evidence against %d validators", n.home, s.Equivocators)
		}
	}
}

// breakLog puts /dev/full under every descriptor of this process that appends to the log in dir:
// from now on its writes answer ENOSPC.
func breakLog(t *testing.T, dir string) {
	t.Helper()
	full, err := unix.Open("/dev/full", unix.O_RDWR, 0)
	if err != nil {
		t.Skipf("no device that is always full: %v", err)
	}
	defer unix.Close(full)
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("no list of open files: %v", err)
	}
	broken := 0
	for _, e := range entries {
		link := filepath.Join("/proc/self/fd", e.Name())
		target, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(target, filepath.Join(dir, "log")) {
			continue
		}
		if info, err := os.Stat(link); err != nil || !info.Mode().IsRegular() {
			continue
		}
		var fd int
		if _, err := fmt.Sscan(e.Name(), &fd); err != nil {
			t.Fatal(err)
		}
		if err := unix.Dup3(full, fd, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		broken++
	}
	if broken == 0 {
		t.Fatalf("no open file below %s/log", dir)
	}
}

// All nodes stop in order in the middle of load: what was acknowledged is there after the start,
// once.
func TestStopUnderLoad(t *testing.T) {
	c := newCluster(t, nil)
	c.start()
	for _, n := range c.nodes {
		n.untilProposing()
	}
	ctx, stop := context.WithCancel(t.Context())
	var (
		mu           sync.Mutex
		acknowledged []crypto.Digest
		submitters   sync.WaitGroup
	)
	for i, n := range c.nodes {
		conn := n.client()
		submitters.Go(func() {
			for j := 0; ctx.Err() == nil; j++ {
				var batch [][]byte
				for k := range 20 {
					batch = append(batch, append(fmt.Appendf(nil, "%d/%d/%d", i, j, k), bytes.Repeat([]byte{1}, 200)...))
				}
				results, err := conn.SubmitBatch(ctx, openNamespace, batch)
				if err != nil {
					continue // the node is stopping or has stopped: nothing is promised
				}
				mu.Lock()
				for _, r := range results {
					if r.State == client.Included || r.State == client.Committed {
						acknowledged = append(acknowledged, r.ID)
					}
				}
				mu.Unlock()
			}
		})
	}
	eventually(t, "load", func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(acknowledged) < 1000 {
			return fmt.Errorf("%d acknowledged", len(acknowledged))
		}
		return nil
	})
	for _, n := range c.nodes {
		n.halt()
	}
	stop()
	submitters.Wait()
	c.start()
	eventually(t, "everything acknowledged is in every order", func() error { return c.allOnce(acknowledged) })
	t.Logf("%d acknowledged", len(acknowledged))
}

// allOnce says which of ids some node does not have exactly once.
func (c *cluster) allOnce(ids []crypto.Digest) error {
	for _, n := range c.nodes {
		n.untilProposing()
		counts := make(map[crypto.Digest]int)
		for _, id := range n.order() {
			counts[id]++
		}
		for _, id := range ids {
			if counts[id] != 1 {
				return fmt.Errorf("%s has %s %d times", n.home, id, counts[id])
			}
		}
	}
	return nil
}

// untilCommitted waits until the node has an id in its order.
func (n *running) untilCommitted(id crypto.Digest) {
	n.t.Helper()
	c := n.client()
	eventually(n.t, n.home+" commits "+id.Short(), func() error {
		r, err := c.Status(n.t.Context(), id)
		if err != nil {
			return err
		}
		if r.State != client.Committed {
			return fmt.Errorf("state %s", r.State)
		}
		return nil
	})
}

// A node that never gets to run leaves nothing behind.
func TestRunRefusals(t *testing.T) {
	c := newCluster(t, nil)
	n := c.nodes[0]
	n.start()
	n.until("answers", func(client.NodeStatus) bool { return true })
	second := &running{t: t, home: n.home, log: &journal{}}
	second.start()
	var hinted interface{ Hint() string }
	if err := second.ended(); !errors.Is(err, store.ErrLocked) || !errors.As(err, &hinted) || hinted.Hint() == "" {
		t.Errorf("second node on one home: %v, want ErrLocked and what to do", err)
	}
	other := c.nodes[1]
	config, err := loadConfig(other.home)
	if err != nil {
		t.Fatal(err)
	}
	config.API.Listen = strings.TrimPrefix(n.api, "http://")
	text, err := config.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(other.home, ConfigFile), text, 0o644); err != nil {
		t.Fatal(err)
	}
	other.start()
	if err := other.ended(); err == nil || !strings.Contains(err.Error(), "serve the API") || !errors.As(err, &hinted) {
		t.Errorf("API on a taken port: %v, want an error that says so", err)
	}
	alone := n.until("waits", func(s client.NodeStatus) bool { return !s.Proposing })
	if alone.Reason == "" {
		t.Error("a node alone does not say why it does not propose")
	}
	deadline, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	results, err := n.client().SubmitBatch(deadline, openNamespace, [][]byte{[]byte("alone")})
	if err == nil && (results[0].State == client.Included || results[0].State == client.Committed) {
		t.Errorf("a node alone acknowledged a transaction: %+v", results[0])
	}
}

// The limits of the config are those of the node.
func TestStreamsLimit(t *testing.T) {
	c := newCluster(t, func(_ int, c *Config) { c.Limits.Streams = 2 })
	n := c.nodes[0]
	n.start()
	n.until("answers", func(client.NodeStatus) bool { return true })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var readers sync.WaitGroup
	for range 2 {
		connected := make(chan struct{})
		readers.Go(func() {
			var once sync.Once
			_ = n.client().FollowEvents(ctx, client.Selection{Cursor: "genesis"}, func(client.Event) error {
				once.Do(func() { close(connected) })
				return nil
			})
		})
		<-connected
	}
	response, err := http.Get(n.api + "/v1/stream")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a third stream is answered with %s", response.Status)
	}
	cancel()
	readers.Wait()
	http.DefaultClient.CloseIdleConnections()
}
