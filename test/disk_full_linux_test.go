package test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/node"
)

// The disk of a validator that fills up: what it offers, and when the validator stops proposing.
const (
	smallDisk    = 1400 << 20 // bytes
	smallReserve = 600        // MiB, of min_free_disk_mib
)

// The disk of a validator fills up under load: it stops proposing while there is room, says so, and goes on serving
// and following. With space it proposes again. Where the space is gone faster than it can be used in peace it
// ends in order with the reason, does the same when it is started again, and goes on once there is space.
// Nothing that was acknowledged is lost.
func TestDiskFillsUp(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a file system")
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED, no disk fills up: mounting needs root")
	}
	t.Parallel()
	const victim = 1
	f := newFleet(t, devnet.Plan{Validators: 4})
	disk := filepath.Join(f.network.Nodes[victim].Home, node.DataDir)
	kept := filepath.Join(t.TempDir(), "data")
	copyTree(t, disk, kept)
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", smallDisk), "tmpfs", disk).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, no disk fills up: %s", out)
	}
	t.Cleanup(func() {
		f.kill(victim)
		if out, err := exec.Command("umount", disk).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	copyTree(t, kept+"/.", disk)
	f.configure(victim, func(c *node.Config) { c.Limits.MinFreeDiskMiB = smallReserve })
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	l := startLoad(f)
	l.untilMore(200)

	leave(t, disk, smallReserve-50)
	s := f.until(victim, "stops proposing", func(s status) bool { return !s.Proposing })
	if !strings.Contains(s.Reason, "disk almost full") {
		t.Errorf("it stopped proposing: %s", s.Reason)
	}
	f.untilSays(victim, "disk_almost_full")
	f.untilPast(victim, s.Commit+20)
	if o := f.read(victim); len(o.digests) < int(s.Commit) {
		t.Errorf("with a full disk it serves %d commits of %d", len(o.digests), s.Commit)
	}
	leave(t, disk, smallDisk>>20)
	f.untilProposing(victim)
	f.untilSays(victim, "disk_has_space_again")
	l.untilMore(100)

	for _, when := range []string{"under load", "when it is started again"} {
		leave(t, disk, 200)
		if f.running[victim] == nil {
			f.start(victim)
		}
		f.untilEnded(victim, "disk full")
		t.Logf("ended %s", when)
	}
	leave(t, disk, smallDisk>>20)
	f.start(victim)
	f.untilProposing(victim)
	f.untilCaughtUp(victim, 0)
	ids := f.submitOpen(victim, "with space again", 3)
	l.stop()
	f.checkCommitted(append(l.promised(), ids...))
	f.checkHonest()
}

// leave fills a disk with one file, or empties it of that, until so many MiB are free, or all that there are.
func leave(t *testing.T, disk string, mib int64) {
	t.Helper()
	filler := filepath.Join(disk, "filler")
	if err := os.RemoveAll(filler); err != nil {
		t.Fatal(err)
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(disk, &stat); err != nil {
		t.Fatal(err)
	}
	size := int64(stat.Bavail)*stat.Bsize - mib<<20
	if size <= 0 {
		return
	}
	file, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := unix.Fallocate(int(file.Fd()), 0, 0, size); err != nil {
		t.Fatal(err)
	}
}

// untilEnded waits until a node has ended by itself with an error and a hint, and wants a word in what it said.
func (f *fleet) untilEnded(i int, word string) {
	f.t.Helper()
	n := f.network.Nodes[i]
	p := f.running[i]
	select {
	case <-p.exited:
	case <-time.After(patience):
		f.t.Fatalf("%s does not end", n.Name)
	}
	f.running[i] = nil
	said := string(tailOf(filepath.Join(n.Home, node.LogFile)))
	if code := p.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(said, word) || !strings.Contains(said, "hint:  ") {
		f.t.Errorf("%s ended with code %d and said:\n%s", n.Name, code, said)
	}
}

// TestDiskFailsToSync: the file system under a validator's log takes what is written, and says at a sync that it did
// not arrive. The validator ends with that error, the others go on, and once the disk works again it has all
// that it acknowledged.
func TestDiskFailsToSync(t *testing.T) {
	if testing.Short() {
		t.Skip("mounts a file system")
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED, no disk fails: mounting needs root")
	}
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		t.Skipf("SKIPPED, no disk fails: %v", err)
	}
	t.Parallel()
	const victim = 2
	f := newFleet(t, devnet.Plan{Validators: 4})
	data := filepath.Join(f.network.Nodes[victim].Home, node.DataDir)
	kept, memory := filepath.Join(t.TempDir(), "data"), t.TempDir()
	copyTree(t, data, kept)
	mount := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
			t.Skipf("SKIPPED, no disk fails: mount: %s", out)
		}
	}
	unmount := func(point string) { _ = exec.Command("umount", point).Run() } // of what is mounted there, if anything
	mount("-t", "tmpfs", "-o", "size=600m", "tmpfs", memory)
	t.Cleanup(func() { unmount(memory) })
	image := filepath.Join(memory, "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 4<<30); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs: %v: %s", err, out)
	}
	mount("-o", "loop", image, data)
	t.Cleanup(func() { f.kill(victim); unmount(data) })
	copyTree(t, kept+"/.", data)
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	l := startLoad(f)
	l.untilMore(200)

	leave(t, memory, 2) // the image cannot grow any more: its file system does not know
	f.untilEnded(victim, "store stopped by a write error")
	promised := l.promisedBy(victim)
	f.untilPast(0, f.commitOf(0)+20)
	unmount(data)
	leave(t, memory, 1<<20)
	mount("-o", fmt.Sprintf("remount,size=%d", 4<<30), memory)
	if out, err := exec.Command("e2fsck", "-f", "-y", image).CombinedOutput(); err != nil && !bytes.Contains(out, []byte("FILE SYSTEM WAS MODIFIED")) {
		t.Fatalf("e2fsck: %v: %s", err, out)
	}
	mount("-o", "loop", image, data)
	f.start(victim)
	f.untilProposing(victim)
	f.untilCaughtUp(victim, 0)
	ids := f.submitOpen(victim, "with a disk that works", 3)
	l.stop()
	t.Logf("%d transactions acknowledged by the validator whose disk failed", len(promised))
	f.checkCommitted(append(l.promised(), ids...))
	f.checkHonest()
}
