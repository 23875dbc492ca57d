package test

import "syscall"

// childAttributes make a process end with the tests, even if those are killed, and keep Ctrl-C at
// the terminal away from it.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
