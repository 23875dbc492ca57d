// Package sim drives real ordering engines through virtual time and tries to break them: links that
// delay, lose and reorder, partitions, slow and stalled nodes, disks that lose what was not synced
// or vanish, clocks that jump, and up to f adversaries that sign what they like. After every step it
// checks what must hold.
//
// Some networks have sealing: they make a key, clients seal with it, and every node runs a tracker of
// package reveal beside its engine, with real cryptography. Clients never submit what they sealed in any
// other form, so that the checks know what must come out.
//
// One seed determines everything, bit for bit, on every machine and for every GOMAXPROCS: a run
// is single-threaded, and every link, fault, adversary and the load draw from a random stream of their
// own, so that leaving one fault out does not change what the others do. A Scenario is a seed made
// explicit - the list of its faults and adversaries - which is what makes a failure shrinkable.
package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"strconv"
)

// newStream is the random stream that belongs to one name under a seed.
func newStream(seed uint64, name string) *rand.Rand {
	buffer := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(name)), seed)
	sum := sha256.Sum256(append(buffer, name...))
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])))
}

// numbered is a name with a number, for the streams of the members of a list.
func numbered(name string, i int) string { return name + "/" + strconv.Itoa(i) }
