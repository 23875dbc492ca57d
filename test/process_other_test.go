//go:build !linux

package test

import "syscall"

// childAttributes keep Ctrl-C at the terminal away from a process.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
