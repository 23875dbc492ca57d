package frontrun

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// Limits of a run.
const (
	MinTrades = 2       // for a standard error
	MaxTrades = 100_000 // a quarter of an hour
)

// Config says what to run. The same Config gives the same Report, bit for bit.
type Config struct {
	Seed   uint64
	Trades int // victims in each flow
}

// ErrConfig wraps a Config that cannot be run.
var ErrConfig = errors.New("demonstration cannot be run")

// Run runs all flows over the same victims. It blocks for some ten milliseconds per trade. Errors wrap
// ErrConfig, or say what broke in the network.
func Run(c Config) (*Report, error) {
	if c.Trades < MinTrades || c.Trades > MaxTrades {
		return nil, fmt.Errorf("%w: %d trades, want %d to %d", ErrConfig, c.Trades, MinTrades, MaxTrades)
	}
	r := &Report{Seed: c.Seed, Validators: validators, Trades: c.Trades}
	trades := drawTrades(rand.New(rand.NewPCG(c.Seed, 2)), c.Trades, validators)
	var err error
	if r.Plain, err = runFlow(c.Seed, trades, plainFlow); err != nil {
		return nil, fmt.Errorf("plain flow: %w", err)
	}
	if r.Sealed, err = runFlow(c.Seed, trades, sealedFlow); err != nil {
		return nil, fmt.Errorf("sealed flow: %w", err)
	}
	if r.Leaked, err = runFlow(c.Seed, trades, leakedFlow); err != nil {
		return nil, fmt.Errorf("flow with leaked keys: %w", err)
	}
	return r, nil
}
