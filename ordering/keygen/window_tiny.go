//go:build tiny

package keygen

// The windows are so small in the build with the tag tiny that short simulations see them end.
const (
	DealWindow = 4
	AckWindow  = 40
)
