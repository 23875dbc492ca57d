package test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttributes make a process end with the tests, even if those are killed, and keep Ctrl-C at
// the terminal away from it. The kernel ends it with the thread that started it, so no thread of the tests may end: whoever
// locks one to a goroutine must unlock it.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// inNamespace runs do on a thread that is in a network namespace of "ip netns" meanwhile.
func inNamespace(name string, do func() error) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	space, err := os.Open("/run/netns/" + name)
	if err != nil {
		return errors.Join(err, home.Close())
	}
	if err := unix.Setns(int(space.Fd()), unix.CLONE_NEWNET); err != nil {
		return errors.Join(err, space.Close(), home.Close())
	}
	err = do()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		panic(fmt.Sprintf("a thread stays in namespace %s: %v", name, err)) // other goroutines would run there
	}
	return errors.Join(err, space.Close(), home.Close())
}
