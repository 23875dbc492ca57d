//go:build !tiny

package store

const (
	// keptMargin is how many commits more are kept than a restart needs: for readers that are a little behind,
	// and for nodes that take a snapshot, which is read from its newest commit down.
	keptMargin = 1024
	// pruneSpan is how many commits go at a time.
	pruneSpan = 256
)
