// Package reveal opens what was sealed, once its order is fixed: it makes this validator's shares for
// committed rounds, gathers everybody's shares from accepted blocks, and gives for every sealed
// item of a commit a verdict that is the same on every node.
//
// A commit's sealed items are cut into batches of at most MaxPart ciphertexts. Each validator releases
// one share for a batch, in a system message of its next own block. Any 2f+1 shares open it. A share
// counts from the moment its block is in the DAG, committed or not: an opening proves itself, and a
// failure is believed only from 2f+1 shares that were verified. So the verdicts hang neither on which
// shares came nor on their order.
//
// The committed order never waits for this package; reveals come in commit order, behind it.
//
// What must never happen here: a share for a commit that was not handed to Tracker.Commit, which its
// owner calls only for commits of the local order; a share for two batches of one commit and part; a
// verdict by timeout.
//
// The package is pure: no time, randomness, goroutine, lock, log or I/O.
package reveal
