//go:build !tiny

package keygen

// The windows of a run in commits.
const (
	// DealWindow is how long deals count after there are enough: some rounds, so that an honest
	// validator that is a little slower is among the dealers. The more deal, the more proven cheaters a run
	// survives without a new attempt.
	DealWindow = 20
	// AckWindow is how long acknowledgements are waited for. An honest validator that is cut off for all of it
	// can lose its share to a cheating dealer; 2,000 commits are more than a minute under load and several
	// in an idle network.
	AckWindow = 2000
)
