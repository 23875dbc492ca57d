// Package certificate gathers the validators' signatures of checkpoints and combines them to certificates, beside
// the order, which never waits for it.
//
// A certificate says that 2f+1 validators have made the commit that it names: it is irrevocable, and with it,
// by the chain of digests, all commits before it. Which commits are checkpoints follows from the log, so all
// validators sign the same ones; see package ordering.
//
// A validator signs a commit of its own order as soon as it has made it, which is irrevocable once one honest
// validator has. Its signature stands in its next block and counts from the moment the block is accepted. The
// first 2f+1 signatures are combined and only the outcome is verified; who sent a wrong one is found when it does
// not hold, and passed over for a time. A checkpoint that is not certified, since too many signatures were lost, is
// covered by the next one.
//
// What must never happen here: a signature of a commit that was not handed to Tracker.Commit, which its owner
// calls only for commits of the local order.
//
// The package is pure: no time, randomness, goroutine, lock, log or I/O.
package certificate
