package node

import (
	"fmt"
	"syscall"
)

const (
	// leastDescriptors is with how few file descriptors a node does not start: the database, the log and a
	// committee of 100 would not find room beside each other.
	leastDescriptors = 200
	// amplyDescriptors is from how many on no part of the node has to do with less than it can use.
	amplyDescriptors = 8192
)

// descriptors is how many of the process's file descriptors the parts take that strangers can open. The rest is
// for the database, the log and the committee, whom the mesh counts apart.
type descriptors struct{ api, mesh int }

// shareDescriptors gives the API and strangers in the mesh a third each of what the process may open.
func (n *node) shareDescriptors() (descriptors, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return descriptors{}, fmt.Errorf("ask for the limit of file descriptors: %w", err)
	}
	const advice = "raise the limit of open files (ulimit -n, or LimitNOFILE of systemd)"
	if limit.Cur < leastDescriptors {
		return descriptors{}, &HomeError{fmt.Errorf("a process may have %d files open here; a node needs %d at least", limit.Cur, leastDescriptors), advice}
	}
	third := int(min(limit.Cur, amplyDescriptors*3) / 3)
	if limit.Cur < amplyDescriptors {
		n.log.Warn("few_file_descriptors", "limit", limit.Cur, "api_connections", third, "mesh_strangers", third, "next", advice)
	}
	return descriptors{api: third, mesh: third}, nil
}
