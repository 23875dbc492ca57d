// Package powercut takes the power from a process that writes into a store, and from the disk under
// it, and looks what is left. It needs Linux and root: file systems in files, on loop devices.
package powercut
