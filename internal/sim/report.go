package sim

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/dunlin-network/dunlin/crypto"
)

// TraceFile is a failed run in a file, from which it can be replayed.
type TraceFile struct {
	Scenario  Scenario      `json:"scenario"`
	Digest    crypto.Digest `json:"digest"`
	Violation *Violation    `json:"violation"`
}

// ErrTrace says that a replay went another way than the trace that was kept.
var ErrTrace = errors.New("the replay differs from the trace")

// Encode is the file's JSON.
func (t *TraceFile) Encode() []byte {
	raw, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		panic("sim: trace does not encode: " + err.Error())
	}
	return append(raw, '\n')
}

// DecodeTrace reads what Encode wrote. Errors wrap ErrScenario.
func DecodeTrace(raw []byte) (TraceFile, error) {
	var t TraceFile
	if err := json.Unmarshal(raw, &t); err != nil {
		return t, fmt.Errorf("%w: %w", ErrScenario, err)
	}
	return t, t.Scenario.Check()
}

// Replay runs the trace's scenario again with lines for people. Where the code has changed since,
// the digest differs: the result is returned with an error that wraps ErrTrace.
func (t *TraceFile) Replay() (Result, error) {
	r, err := Explain(t.Scenario)
	if err == nil && !t.Digest.IsZero() && r.Digest != t.Digest {
		err = fmt.Errorf("%w: digest %v, it was %v", ErrTrace, r.Digest.Short(), t.Digest.Short())
	}
	return r, err
}

// ExitCode is the exit code for a violation: 1 safety, 2 liveness or a limit, 0 for none.
func (v *Violation) ExitCode() int {
	switch {
	case v == nil:
		return 0
	case v.Severity == Safety:
		return 1
	}
	return 2
}

func (t *Tally) sort() {
	slices.SortFunc(t.Failed, func(a, b Outcome) int { return cmp.Compare(a.Scenario.Seed, b.Scenario.Seed) })
}
