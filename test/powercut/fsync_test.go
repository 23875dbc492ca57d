package powercut

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/store"
)

// smallMemory is how much a disk can take before it answers with an error.
const smallMemory = "96m"

// TestFailingSync lets the disk fail behind the file system's back: writes are taken, and a sync says
// that they did not arrive. The process ends with the error, and what it acknowledged before is there
// once the disk works again.
func TestFailingSync(t *testing.T) {
	needDisks(t)
	dir := t.TempDir()
	memory := filepath.Join(dir, "memory")
	check(t, os.Mkdir(memory, 0o700))
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+smallMemory, "tmpfs", memory).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, no disk fails: %s", out)
	}
	t.Cleanup(func() { command(t, "umount", "--lazy", memory) }) // a test that has failed may hold it still
	d := newDisk(t, memory)
	w, err := newWriter()
	check(t, err)
	check(t, store.Create(w.options(d.point)))
	acks := make(map[dag.Round][]string)
	c := startWriter(t, d.point, acks)
	for c.read() {
	}
	var exit *exec.ExitError
	if err := c.cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitFatal || !strings.Contains(c.ended, store.ErrFatal.Error()) {
		t.Fatalf("the writer ended with %v and said %q, want exit code %d and %q", err, c.ended, exitFatal, store.ErrFatal)
	}
	t.Logf("%d rounds acknowledged; %s", len(acks), strings.TrimSpace(c.ended))
	if len(acks) == 0 {
		t.Fatal("the disk failed before anything was written")
	}
	d.unmount()
	command(t, "mount", "-o", fmt.Sprintf("remount,size=%d", int64(imageBytes)), memory)
	d.repair()
	d.mount()
	state, torn := examine(t, d.point, acks)
	t.Logf("log %v, %d bytes torn", state, torn)
	d.unmount()
}
