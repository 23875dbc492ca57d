//go:build tiny

package ordering

// ReputationWindow is so small in the build with the tag tiny that short simulations see it turn.
const ReputationWindow = 30
