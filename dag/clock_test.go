package dag

import "testing"

// Twins of one author do not move the clock: a quorum is one of authors.
func TestClockCountsAuthors(t *testing.T) {
	d := New(testCommittee(t, 4))
	insert := func(a Author, digest byte) { d.Insert(Ref{Round: 1, Author: a, Digest: [32]byte{digest}}, nil) }
	insert(0, 1)
	insert(1, 2)
	insert(1, 3)
	insert(1, 4)
	if d.Clock() != 1 {
		t.Fatalf("clock %d with blocks of two authors, want 1", d.Clock())
	}
	insert(2, 5)
	if d.Clock() != 2 {
		t.Fatalf("clock %d with blocks of three authors, want 2", d.Clock())
	}
}
