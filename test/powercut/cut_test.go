package powercut

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/store"
)

const (
	// defaultCuts is how often the power is cut unless DUNLIN_POWER_CUTS says otherwise.
	defaultCuts = 5
	// cutsPerDisk is after how many lives a new disk is taken: it must not run full.
	cutsPerDisk = 10
	// fewestAcks is how much a life writes at least before it is cut.
	fewestAcks = 50
	// moreAcks is up to how much more, by chance.
	moreAcks = 600
)

// child is a running writer.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
	acks  map[dag.Round][]string // per round, the digests of its blocks by author
	last  dag.Round
	ended string // what it said about its end
}

func startWriter(t *testing.T, dir string, acks map[dag.Round][]string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(os.Args[0], "-test.run=^TestWriter$"), acks: acks}
	c.cmd.Env = append(os.Environ(), writerEnv+"="+dir)
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	check(t, err)
	c.lines = bufio.NewScanner(out)
	check(t, c.cmd.Start())
	t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	return c
}

// read takes the next line; it gives false at the end of the output.
func (c *child) read() bool {
	if !c.lines.Scan() {
		return false
	}
	words := strings.Fields(c.lines.Text())
	if len(words) == 2+validators && words[0] == "acked" {
		n, err := strconv.ParseUint(words[1], 10, 64)
		check(c.t, err)
		c.last = dag.Round(n)
		c.acks[c.last] = words[2:]
	} else {
		c.ended += c.lines.Text() + "\n"
	}
	return true
}

// freeze stops the process in the middle of what it does and takes what it had said by then.
func (c *child) freeze() {
	c.t.Helper()
	check(c.t, c.cmd.Process.Signal(syscall.SIGSTOP))
	for !c.stopped() {
		time.Sleep(time.Millisecond)
	}
}

// stopped reports whether all threads stand still: a call into the disk that was under way is over.
func (c *child) stopped() bool {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", c.cmd.Process.Pid))
	check(c.t, err)
	for _, path := range tasks {
		raw, err := os.ReadFile(path)
		check(c.t, err)
		if _, rest, _ := strings.Cut(string(raw), ") "); !strings.HasPrefix(rest, "T") {
			return false
		}
	}
	return len(tasks) > 0
}

// end kills the frozen process and reads what it had said.
func (c *child) end() {
	c.t.Helper()
	check(c.t, c.cmd.Process.Kill())
	for c.read() {
	}
	_ = c.cmd.Wait() // it was killed
}

// TestPowerCuts cuts the power again and again, over many lives of the same disks: everything that was
// acknowledged is there, no log passes for damaged, and the order goes on as it was.
func TestPowerCuts(t *testing.T) {
	needDisks(t)
	cuts := defaultCuts
	if text := os.Getenv("DUNLIN_POWER_CUTS"); text != "" {
		n, err := strconv.Atoi(text)
		check(t, err)
		cuts = n
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for done := 0; done < cuts; done += cutsPerDisk {
		cutOne(t, random, min(cutsPerDisk, cuts-done))
	}
}

// cutOne cuts the power of one disk so many times.
func cutOne(t *testing.T, random *rand.Rand, times int) {
	t.Helper()
	d := newDisk(t, directory(t))
	w, err := newWriter()
	check(t, err)
	check(t, store.Create(w.options(d.point)))
	acks := make(map[dag.Round][]string)
	for i := range times {
		c := startWriter(t, d.point, acks)
		for goal := len(acks) + fewestAcks + random.IntN(moreAcks); len(acks) < goal; {
			if !c.read() {
				t.Fatalf("cut %d: the writer ended by itself: %s", i, c.ended)
			}
		}
		c.freeze()
		cut := d.snapshot()
		c.end()
		d.unmount()
		d.replace(cut)
		state, torn := examine(t, d.point, acks)
		t.Logf("cut %d: %d rounds acknowledged, log %v, %d bytes torn", i, len(acks), state, torn)
	}
	d.unmount()
}

// examine opens what is left and compares it with what was acknowledged.
func examine(t *testing.T, dir string, acks map[dag.Round][]string) (store.LogState, int64) {
	t.Helper()
	w, err := newWriter()
	check(t, err)
	s, found, err := w.recover(dir)
	check(t, err)
	if found.Log != store.LogWhole && found.Log != store.LogTorn {
		t.Errorf("log %v after a power cut", found.Log)
	}
	newest := dag.Round(0)
	for round, digests := range acks {
		newest = max(newest, round)
		for author, text := range digests {
			digest, err := crypto.ParseDigest(text)
			check(t, err)
			ref := dag.Ref{Round: round, Author: dag.Author(author), Digest: digest}
			if _, ok, err := s.Block(ref); err != nil || !ok {
				t.Errorf("block %v was acknowledged; there: %v, %v", ref, ok, err)
			}
		}
	}
	if found.OwnLast == nil || found.OwnLast.Round() < newest {
		t.Errorf("the newest own block is %v, acknowledged is round %d", found.OwnLast, newest)
	}
	if s.Head().Index < dag.CommitIndex(newest) {
		t.Errorf("the order ends at %v, acknowledged is round %d", s.Head(), newest)
	}
	for i := dag.CommitIndex(1); i <= s.Head().Index; i++ {
		if c, ok, err := s.Commit(i); err != nil || !ok || c.Round != dag.Round(i) {
			t.Errorf("commit %d: there %v, %v", i, ok, err)
		}
	}
	check(t, s.Close())
	return found.Log, found.Report.TornBytes
}
