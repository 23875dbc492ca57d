package test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
)

const (
	// defaultCutOffs is how many files are cut off unless DUNLIN_LIVE_CUT_OFFS says otherwise.
	defaultCutOffs = 4
	// mostCommands is how many commands one cut may take: the log's, the database's, and the database's once more on reading.
	mostCommands = 3
)

// nextCommand is what a refused home or history says, in the two parts of a line for a shell.
var nextCommand = regexp.MustCompile(`(?:hint: |next:) +(?:(mv \S+ \S+) && )?dunlin (run --home \S+(?: --accept-damaged-log)?) \(`)

// errUnread says that a node takes part, and its history can't be read.
var errUnread = errors.New("the history cannot be read")

// A file of a validator's database, or of its log, is cut off at a random offset while the others go on under
// load. The validator goes on from what it has, or refuses in words with the next command; the command is
// typed, and it takes part again with the order that the others have. Nobody contradicts itself. One of the two that are harmed
// has a log that does not reach back to its beginning: of its database there is no second copy.
func TestCutOffFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("harms homes and starts them again for a while")
	}
	t.Parallel()
	const young, old = 2, 3
	random, times := chance(t), number(t, "DUNLIN_LIVE_CUT_OFFS", defaultCutOffs)
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	l := startLoad(f)
	l.untilMore(100)
	excused := make(map[crypto.Digest]bool)
	excuse := func(i int) {
		for _, id := range l.promisedBy(i) {
			excused[id] = true
		}
	}
	f.kill(old)
	excuse(old)
	if err := os.RemoveAll(filepath.Join(f.network.Nodes[old].Home, node.DataDir, "log")); err != nil {
		t.Fatal(err)
	}
	f.start(old)
	f.comeBack(old, f.proposesAndReads(old))
	outcomes := make(map[string]int)
	for k := range times {
		victim := []int{young, old}[k%2]
		l.untilMore(50)
		if random.IntN(2) == 0 {
			f.stop(victim)
		} else {
			f.kill(victim)
		}
		file, at := f.cutOff(random, victim)
		if filepath.Base(filepath.Dir(file)) == "log" {
			excuse(victim)
		}
		f.start(victim)
		typed := f.comeBack(victim, f.proposesAndReads(victim))
		t.Logf("%s of %s cut off at %d: typed %q", filepath.Base(file), f.network.Nodes[victim].Name, at, typed)
		outcomes[fmt.Sprintf("%s, %d commands", filepath.Base(filepath.Dir(file)), len(typed))]++
	}
	l.stop()
	var kept []crypto.Digest
	for _, id := range l.promised() {
		if !excused[id] {
			kept = append(kept, id)
		}
	}
	t.Logf("%v; %d transactions acknowledged, of which %d on a log that was cut off", outcomes, len(l.promised()), len(excused))
	f.checkCommitted(kept)
	f.checkHonest()
}

// cutOff cuts off a random file of a node that does not run, three times in four one of the database.
func (f *fleet) cutOff(random *rand.Rand, i int) (path string, at int64) {
	f.t.Helper()
	part := "badger"
	if random.IntN(4) == 0 {
		part = "log"
	}
	found, err := filepath.Glob(filepath.Join(f.network.Nodes[i].Home, node.DataDir, part, "*"))
	if err != nil {
		f.t.Fatal(err)
	}
	for {
		path = found[random.IntN(len(found))]
		size, err := withoutZeros(path)
		if err != nil {
			f.t.Fatal(err)
		}
		if size == 0 {
			continue
		}
		at = random.Int64N(size)
		if err := os.Truncate(path, at); err != nil {
			f.t.Fatal(err)
		}
		return path, at
	}
}

// withoutZeros is the length of a file without the zeros at its end.
func withoutZeros(path string) (end int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	chunk := make([]byte, 1<<20)
	for at := int64(0); ; {
		n, err := io.ReadFull(file, chunk)
		if some := len(bytes.TrimRight(chunk[:n], "\x00")); some > 0 {
			end = at + int64(some)
		}
		if at += int64(n); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return end, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// comeBack waits until a node is as wanted. Where it refuses, or its history is errUnread and it has said what to do, that
// command is typed. It returns the commands.
func (f *fleet) comeBack(i int, wanted func(status) error) (typed []string) {
	f.t.Helper()
	n := f.network.Nodes[i]
	next := func() {
		typed = append(typed, f.typeNext(i))
		if len(typed) > mostCommands {
			f.t.Fatalf("%s wants more and more: %q", n.Name, typed)
		}
	}
	eventually(f.t, n.Name+" comes back", func() error {
		switch {
		case !f.running[i].ended():
		case bytes.Contains(f.saidOf(i), []byte("address already in use")):
			time.Sleep(time.Second)
			f.start(i)
		default:
			next()
		}
		s, err := f.clients[i].NodeStatus(f.t.Context())
		if err == nil {
			err = wanted(s)
		}
		if errors.Is(err, errUnread) && nextCommand.Match(f.saidOf(i)) {
			p := f.running[i]
			if !p.ended() {
				f.stop(i)
				f.running[i] = p
			}
			next()
		}
		return err
	})
	return typed
}

// ended reports whether a process is over.
func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// proposesAndReads wants a validator to take part with all that another one has by now, and every commit of it to be there.
func (f *fleet) proposesAndReads(i int) func(status) error {
	f.t.Helper()
	goal := f.commitOf(0)
	return func(s status) error {
		if !s.Proposing || s.Commit < goal {
			return fmt.Errorf("status is %+v", s)
		}
		if _, err := f.tryRead(i, s.Commit); err != nil {
			return errors.Join(errUnread, err)
		}
		return nil
	}
}

// saidOf is what a node that was started has logged since.
func (f *fleet) saidOf(i int) []byte {
	f.t.Helper()
	return f.logOf(i)[f.running[i].from:]
}

// typeNext types the last command that a node named, which has ended, and returns it.
func (f *fleet) typeNext(i int) string {
	f.t.Helper()
	said := f.saidOf(i)
	if bytes.Contains(said, []byte("\ngoroutine ")) {
		f.t.Fatalf("%s ended with a trace:\n%s", f.network.Nodes[i].Name, said)
	}
	all := nextCommand.FindAllSubmatch(said, -1)
	if len(all) == 0 {
		f.t.Fatalf("%s ended without a next command:\n%s", f.network.Nodes[i].Name, said)
	}
	last := all[len(all)-1]
	if len(last[1]) > 0 {
		if out, err := exec.Command("sh", "-c", string(last[1])).CombinedOutput(); err != nil {
			f.t.Fatalf("%s: %v: %s", last[1], err, out)
		}
	}
	usual, binary := f.command[i], f.binary(i)
	f.command[i] = func(string) []string {
		return append([]string{binary}, strings.Fields(string(last[2]))...)
	}
	f.start(i)
	f.command[i] = usual
	return string(bytes.TrimSpace(bytes.Join(last[1:], []byte(" dunlin "))))
}
