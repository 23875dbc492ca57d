// Package keygen makes the network's sealing key over the committed log: it decides, as a function of
// the log alone, which deals of crypto/dkg count, who acknowledged them, who was proven to cheat, and
// from which commit on a key serves. There is no dealer and no ceremony server, and whoever reads the
// log later computes the same key.
//
// A run has two windows.
//
//   - Dealing. Every validator puts one deal into a block. The window closes DealWindow commits after
//     the commit with the (n-f)-th good deal, or at once when all who may deal have dealt. The good deals
//     at that commit are the candidates.
//   - Acknowledging. Every validator opens its share of each candidate and puts one acknowledgement into a
//     block: the digest of the candidates, and a complaint about each bad share. A complaint opens that one
//     share to everybody: either the dealer is proven to cheat and is out of this run and of all later ones,
//     or the accuser is flagged. The window closes when everybody who was not proven to cheat has
//     acknowledged, or after AckWindow commits. The candidates that are left qualify.
//
// With fewer than 2f+1 qualified dealers, or fewer than n-f acknowledgements at the end, the next attempt
// begins.
//
// # Why the second window waits for everybody
//
// The polynomials have degree 2f, so that a key opens only with 2f+1 shares: in a network of 3f+1 all
// honest validators are needed when the others refuse. If the window closed at n-f acknowledgements, the
// network's delays would choose which honest validators are not heard, and each of them may hold a bad
// share. With degree f, an honest majority among those who were heard could open the cheater's polynomial
// later; with degree 2f, n-f acknowledgements promise f+1 honest holders only, and 2f+1 values are needed.
// So nothing but time helps: AckWindow is long, and no rule shortens it for a validator that merely is
// silent, since whoever delays messages makes honest validators look silent. Only proven cheaters are not
// waited for. The price: with a validator down from the start, sealing opens AckWindow commits late, once.
//
// # Late complaints
//
// An acknowledgement that is committed after the window counts as late: it may still carry complaints. A
// valid one excludes its dealer and starts a run for the next key id. The old key serves what is committed
// until the new one is ready, and stays in the state, so that all that was sealed under it can still be opened
// where 2f+1 validators hold good shares of it. Every further key excludes one more proven cheater, and
// a run needs n-f dealers that were not: there are never more than f+1 keys.
//
// # What it costs
//
// An author's messages make a node check at most one deal per run, and judge at most one false
// complaint per run: at the first false one the rest of an acknowledgement is not looked at. A valid complaint
// takes its dealer out for good. So a run with its late acknowledgements costs n checks of deals and 2n
// judgements at most (0.5 ms and 0.3 ms each with 100 validators); all other messages are turned away
// by length, header or sender.
//
// The package is pure: no time, randomness, goroutine, lock, log or I/O. Nothing in it is safe for
// concurrent use.
package keygen
