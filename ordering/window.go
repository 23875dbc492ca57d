//go:build !tiny

package ordering

// ReputationWindow is how many commits the scores of one choice of the active set cover.
const ReputationWindow = 300
