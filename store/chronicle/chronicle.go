// Package chronicle keeps a network's history in one file: every block and every commit that a node has,
// with the genesis. Export writes such a file, Verify makes the order again from its blocks and
// compares, Restore fills the store of a new home with it. A file is read and written once from front to
// back; memory does not grow with it.
package chronicle

import (
	"errors"
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// A file is a row of records, integers big-endian:
//
//	magic 8 | version 4 | { kind 1 | length 4 | payload } ... | kind 'e' | length 4 = 32 | digest 32
//
// First the attached files, of which the genesis is one; then blocks in order of rounds, and commits in
// order among them. The digest at the end is the last of a chain over all records before it, and over
// magic and version.
const (
	magic      = "DUNLINHX"
	version    = 1
	preamble   = len(magic) + 4
	kindFile   = 'f' // name 1+n | content
	kindBlock  = 'b' // the block's encoding
	kindCommit = 'c' // the commit's encoding
	kindEnd    = 'e'
	recordHead = 1 + 4
)

// domainFile is that of the chain of digests.
const domainFile crypto.Domain = "dunlin/history-file/1"

// Limits of what is read from a file.
const (
	// maxRecord bounds one record in bytes: the largest is a commit of the fullest blocks of 256 validators over some rounds.
	maxRecord = 512 << 20
	// maxAttached is how many files may be attached: what a home has beside keys and data.
	maxAttached = 8
	// maxAhead is how many commits may wait to be compared: the order of a round is known some rounds later, and
	// Export has written pages of 8 MiB with up to 6,200 rounds of four validators before their commits.
	maxAhead = 8192
)

// Names of attached files, which are those in a node's home.
const (
	GenesisFile = "genesis.json"
	ConfigFile  = "config.toml"
)

// ErrHistory is wrapped by everything that says that a file is not what Export wrote, or that what it
// holds does not prove itself.
var ErrHistory = errors.New("history does not hold")

// ErrPruned says that a source no longer has its first commits. A node that keeps all of the history, an
// archive, is to be asked.
var ErrPruned = errors.New("the first commits are not kept here")

// Source is a store as Export reads it. *store.Store is one.
type Source interface {
	// Head names the newest commit.
	Head() dag.CommitRef
	// Commit gives a commit, and whether there is one.
	Commit(dag.CommitIndex) (*ordering.Commit, bool, error)
	// BlocksInRounds gives the blocks of rounds in order, and where to ask on.
	BlocksInRounds(from, to dag.Round, maxBytes int) ([][]byte, dag.Round, error)
}

// Summary is what a file holds.
type Summary struct {
	Network crypto.Digest // of the genesis in the file
	Blocks  int
	Head    dag.CommitRef // the newest commit
	Bytes   int64
}

// describe makes an error about a file.
func describe(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrHistory, fmt.Errorf(format, args...))
}
