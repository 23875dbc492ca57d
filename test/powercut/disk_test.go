package powercut

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// imageBytes is the size of a disk; its file has holes, so that it takes no more than is written.
const imageBytes = 2 << 30

// disk is an ext4 file system in a file, mounted.
type disk struct {
	t     *testing.T
	image string
	point string
}

// needDisks skips where file systems cannot be made and mounted, and says so.
func needDisks(t *testing.T) {
	t.Helper()
	for _, program := range []string{"mkfs.ext4", "e2fsck", "mount", "umount", "losetup"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("SKIPPED, no power is cut: %v", err)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED, no power is cut: mounting needs root")
	}
	if testing.Short() {
		t.Skip("mounts file systems")
	}
}

// directory is one in memory where there is one: what counts is what reached the image, not the image.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "dunlin-powercut-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
	return dir
}

// newDisk makes a file system in dir and mounts it.
func newDisk(t *testing.T, dir string) *disk {
	t.Helper()
	d := &disk{t, filepath.Join(dir, "image"), filepath.Join(dir, "mnt")}
	f, err := os.Create(d.image)
	check(t, err)
	check(t, errors.Join(f.Truncate(imageBytes), f.Close(), os.Mkdir(d.point, 0o700)))
	command(t, "mkfs.ext4", "-q", "-F", d.image)
	d.mount()
	t.Cleanup(func() { _ = exec.Command("umount", d.point).Run() }) // if a test ended in between
	return d
}

func (d *disk) mount() {
	d.t.Helper()
	out, err := exec.Command("mount", "-o", "loop", d.image, d.point).CombinedOutput()
	if err != nil {
		if strings.Contains(string(out), "loop device") || strings.Contains(string(out), "permission") {
			d.t.Skipf("SKIPPED, no power is cut: %s", out)
		}
		d.t.Fatalf("mount: %v\n%s", err, out)
	}
}

func (d *disk) unmount() {
	d.t.Helper()
	command(d.t, "umount", d.point)
}

// repair checks and mends the file system, which must not be mounted, as it has to be after writes that failed: without, it
// may turn read-only as soon as it meets what did not arrive.
func (d *disk) repair() {
	d.t.Helper()
	d.untilFree()
	out, err := exec.Command("e2fsck", "-f", "-y", d.image).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "FILE SYSTEM WAS MODIFIED") {
		d.t.Fatalf("e2fsck: %v\n%s", err, out)
	}
}

// untilFree waits until no loop device holds the image: the kernel lets go of it some time after it was unmounted.
func (d *disk) untilFree() {
	d.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		out, err := exec.Command("losetup", "--associated", d.image).CombinedOutput()
		switch {
		case err != nil:
			d.t.Fatalf("losetup: %v\n%s", err, out)
		case len(out) == 0:
			return
		case time.Now().After(deadline):
			d.t.Fatalf("a loop device still holds the image: %s", out)
		}
	}
}

// snapshot copies what has reached the disk by now.
func (d *disk) snapshot() string {
	d.t.Helper()
	to := d.image + ".cut"
	check(d.t, copyHoles(d.image, to))
	return to
}

// replace puts a snapshot in the place of the disk, which must not be mounted, and mounts it.
func (d *disk) replace(snapshot string) {
	d.t.Helper()
	check(d.t, os.Rename(snapshot, d.image))
	d.mount()
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// copyHoles copies a file and leaves its holes holes.
func copyHoles(from, to string) error {
	const seekData = 3 // of lseek on Linux
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	chunk := make([]byte, 1<<20)
	for at := int64(0); ; {
		if at, err = in.Seek(at, seekData); err != nil {
			return out.Truncate(imageBytes) // no more data
		}
		n, err := in.ReadAt(chunk, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if _, err := out.WriteAt(chunk[:n], at); err != nil {
			return err
		}
		at += int64(n)
	}
}
