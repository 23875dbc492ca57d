//go:build tiny

package store

// The margins are so small in the build with the tag tiny that short tests see a history pruned.
const (
	keptMargin = 64
	pruneSpan  = 32
)
