package node

import (
	"context"
	"slices"
	"time"

	"github.com/dunlin-network/dunlin/rollupapi"
)

const (
	// archiveSoon is when a node first looks who keeps the whole history, archiveEvery how long it is between looks.
	archiveSoon  = 10 * time.Second
	archiveEvery = time.Minute
)

// watchArchive looks who keeps the history from the first commit on, and says so in the log when nobody does.
func (n *node) watchArchive(ctx context.Context) {
	for wait := archiveSoon; pause(ctx, wait); wait = archiveEvery {
		at := rollupapi.ArchiveHere
		if n.store.Earliest() > 1 {
			at = archiveAmong(reaches(ctx, n.network))
		}
		before := n.archive.Swap(&at)
		if at == rollupapi.ArchiveNone && (before == nil || *before != at) {
			n.log.Warn("no_archive", "earliest_commit", n.store.Earliest(), "next", "keep all at one node: store.retention = \"archive\". "+
				"What nobody has any more comes back from a backup only: dunlin backup restore")
		}
	}
}

// archiveAmong is whether one of the answers tells of the first commit; unknown without any.
func archiveAmong(answers []reach) rollupapi.Archive {
	switch {
	case len(answers) == 0:
		return ""
	case slices.ContainsFunc(answers, func(a reach) bool { return a.Earliest == 1 && a.Newest > 0 }):
		return rollupapi.ArchivePeer
	}
	return rollupapi.ArchiveNone
}
