package node

import (
	"testing"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/snapshot"
	"github.com/dunlin-network/dunlin/rollupapi"
)

// TestArchiveAmong: a node that has the first commit keeps all; one that has nothing yet does not, and nobody's silence
// says that nobody does.
func TestArchiveAmong(t *testing.T) {
	has := func(earliest, newest dag.CommitIndex) reach {
		return reach{Reach: snapshot.Reach{Earliest: earliest, Newest: newest}}
	}
	for name, test := range map[string]struct {
		answers []reach
		want    rollupapi.Archive
	}{
		"nobody answers":        {nil, ""},
		"one has all":           {[]reach{has(70, 99), has(1, 99)}, rollupapi.ArchivePeer},
		"all have pruned":       {[]reach{has(70, 99), has(2, 99)}, rollupapi.ArchiveNone},
		"one has nothing yet":   {[]reach{has(70, 99), has(0, 0), has(1, 0)}, rollupapi.ArchiveNone},
		"one has the first few": {[]reach{has(70, 99), has(1, 12)}, rollupapi.ArchivePeer},
	} {
		if got := archiveAmong(test.answers); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
