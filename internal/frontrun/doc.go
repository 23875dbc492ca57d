// Package frontrun measures what it is worth to see transactions before their order is fixed: two demo
// rollups with a market each, a stream of victims that swap on one or both, and a bot that owns one
// of four validators.
//
// The order is made by real ordering engines in virtual time, contents are sealed and opened with the
// real threshold encryption under a key that the validators make in their first rounds; only disks,
// sockets and block signatures are left out. One seed determines everything.
//
// # What the bot may do
//
// It gets every message of every validator without delay, and its own arrive everywhere without delay. It
// holds its blocks back until it has seen those of the others, for as long as the order can still put
// them in front, publishes blocks of older rounds late, and orders what stands in its own blocks as it
// likes. A quarter of the victims hand their swap to the bot's own validator. It keeps its own
// decryption shares to itself and combines them with those of the others the moment these are said.
// It simulates both markets exactly, knows how victims choose, and pays no fee for failed transactions.
// Nobody else trades, so nobody competes for what is left after a victim's swap.
//
// # How profit is counted
//
// Both markets begin each trade at the outside price, and what the bot holds at its end counts at that
// price. Back-running is what the bot would have made of the same swap by trading only after it.
// Front-running is what it made beyond that.
package frontrun
