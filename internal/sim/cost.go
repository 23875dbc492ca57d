package sim

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering"
)

// How the cost of a validator is measured.
const (
	costDelay    = 2 * time.Millisecond    // of every message
	costRound    = 10 * time.Millisecond   // the engine's least time between own blocks under load
	costWarm     = ordering.GCDepth + 10   // rounds left out: from there on the engine also collects
	costDeadline = 10 * time.Minute        // virtual; without load a round takes 100 ms
	costSeed     = 1                       // of the keys
	costMost     = 1000                    // rounds
	costMeasured = dag.Author(0)           // whose work is measured
	referenceRef = 48                      // bytes of a reference in the figure that headers stand beside
	maxCostItems = 1000                    // transactions of one validator in one round
	maxCostLoad  = dag.MaxPayloadBytes / 2 // bytes of transactions of one validator in one round: they fit its block
)

// ErrCost wraps everything that keeps the cost from being measured.
var ErrCost = errors.New("cost not measured")

// CostCase is one network whose validators' work is measured.
type CostCase struct {
	Validators   int
	Transactions int // that every validator takes in during one round of 10 ms; 0 for no load
	Bytes        int // of the payload of a transaction
	Rounds       int // to measure
}

// Cost is what one validator of a network does in one round, from one block of its own to the next.
// CPU times are medians over the rounds, in microseconds of the thread; bytes are means.
type Cost struct {
	Validators   int     `json:"validators"`
	Rounds       int     `json:"rounds"`
	Verify       float64 `json:"verify_us"`  // dag.Verify of the others' blocks, one by one
	Add          float64 `json:"add_us"`     // these blocks join the DAG and their votes are counted
	Commit       float64 `json:"commit_us"`  // rule, order, filters and digests
	Propose      float64 `json:"propose_us"` // pool, parents, encoding and signature of the own block
	CPU          float64 `json:"cpu_us"`     // all of that
	Blocks       float64 `json:"blocks_in"`  // blocks of others that were verified
	Header       float64 `json:"header_bytes_out"`
	Payload      float64 `json:"payload_bytes_out"`
	Reference    float64 `json:"reference_header_bytes"` // 48 n^2
	Transactions float64 `json:"transactions_in"`        // of this validator's users
	Ordered      float64 `json:"transactions_ordered"`   // by the whole network
	Commits      float64 `json:"commits"`
}

// check says whether the case can be measured.
func (c CostCase) check() error {
	switch {
	case c.Validators < dag.MinCommittee || c.Validators > maxValidators:
		return fmt.Errorf("%w: %d validators, want %d to %d", ErrCost, c.Validators, dag.MinCommittee, maxValidators)
	case c.Rounds < 1 || c.Rounds > costMost:
		return fmt.Errorf("%w: %d rounds, want 1 to %d", ErrCost, c.Rounds, costMost)
	case c.Transactions > 0 && (c.Bytes < minItemBytes || c.Bytes > maxItemBytes):
		return fmt.Errorf("%w: transactions of %d bytes, want %d to %d", ErrCost, c.Bytes, minItemBytes, maxItemBytes)
	case c.Transactions < 0 || c.Transactions > maxCostItems || c.Transactions*c.Bytes > maxCostLoad:
		return fmt.Errorf("%w: %d transactions of %d bytes a round, want 0 to %d and at most %d bytes", ErrCost, c.Transactions, c.Bytes, maxCostItems, maxCostLoad)
	}
	return nil
}

// MeasureCost runs real engines with real signatures in lockstep through virtual time: every message
// takes 2 ms. One of them verifies the bytes of every block and is measured; the others take blocks
// as they were sealed. It keeps its goroutine on one thread, and blocks for seconds with many validators.
// Errors wrap ErrCost.
func MeasureCost(c CostCase) (Cost, error) {
	if err := c.check(); err != nil {
		return Cost{}, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	net, err := newCostNet(c)
	if err != nil {
		return Cost{}, err
	}
	for len(net.rounds) < costWarm+c.Rounds+1 {
		if net.now > costDeadline || !net.step() {
			return Cost{}, fmt.Errorf("%w: %d rounds at %v", ErrCost, len(net.rounds), net.now)
		}
		if net.err != nil {
			return Cost{}, fmt.Errorf("%w: %w", ErrCost, net.err)
		}
	}
	return summary(c, net.rounds[costWarm:costWarm+c.Rounds]), nil
}

// costRoundWork is what the measured validator did from one own block to the next.
type costRoundWork struct {
	verify, add, commit, propose time.Duration
	blocks, header, payload      int
	transactions, ordered        int
	commits                      int
}

func summary(c CostCase, rounds []costRoundWork) Cost {
	median := func(part func(*costRoundWork) time.Duration) float64 {
		all := make([]time.Duration, len(rounds))
		for i := range rounds {
			all[i] = part(&rounds[i])
		}
		slices.Sort(all)
		return float64(all[len(all)/2]) / float64(time.Microsecond)
	}
	mean := func(part func(*costRoundWork) int) float64 {
		sum := 0
		for i := range rounds {
			sum += part(&rounds[i])
		}
		return float64(sum) / float64(len(rounds))
	}
	out := Cost{
		Validators: c.Validators, Rounds: len(rounds), Reference: float64(referenceRef * c.Validators * c.Validators),
		Verify:       median(func(w *costRoundWork) time.Duration { return w.verify }),
		Add:          median(func(w *costRoundWork) time.Duration { return w.add }),
		Commit:       median(func(w *costRoundWork) time.Duration { return w.commit }),
		Propose:      median(func(w *costRoundWork) time.Duration { return w.propose }),
		Blocks:       mean(func(w *costRoundWork) int { return w.blocks }),
		Header:       mean(func(w *costRoundWork) int { return w.header }),
		Payload:      mean(func(w *costRoundWork) int { return w.payload }),
		Transactions: mean(func(w *costRoundWork) int { return w.transactions }),
		Ordered:      mean(func(w *costRoundWork) int { return w.ordered }),
		Commits:      mean(func(w *costRoundWork) int { return w.commits }),
	}
	out.CPU = out.Verify + out.Add + out.Commit + out.Propose
	return out
}

// threadTime is how much CPU the calling thread has used: others on the machine do not count.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic("sim: the system has no clock of a thread: " + err.Error())
	}
	return time.Duration(t.Nano())
}

// took adds to a sum what a call takes of the thread's CPU.
func took(sum *time.Duration, call func()) {
	before := threadTime()
	call()
	*sum += threadTime() - before
}
