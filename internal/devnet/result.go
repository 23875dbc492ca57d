package devnet

import (
	"crypto/rand"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
)

// Result is what a devnet found out. Its JSON is what `dunlin devnet --json` prints.
type Result struct {
	Validators   int               `json:"validators"`
	Commits      uint64            `json:"commits"`      // of the longest order read back
	Rounds       uint64            `json:"rounds"`       // the last committed round
	Submitted    uint64            `json:"submitted"`    // transactions offered to validators
	Acknowledged uint64            `json:"acknowledged"` // of them, promised by a validator
	Refused      uint64            `json:"refused"`      // of them, refused with a reason
	Unanswered   uint64            `json:"unanswered"`   // of them, neither: the node went away, or did not put them into a block in time
	Unsent       uint64            `json:"unsent"`       // due, but never offered: the network was too slow
	Reasons      map[string]uint64 `json:"reasons,omitempty"`
	Committed    uint64            `json:"committed"`        // acknowledged ones that stand in every order
	Expired      uint64            `json:"expired"`          // acknowledged ones that provably can't be committed any more
	Late         uint64            `json:"late"`             // acknowledged ones that came into no order or not all before the check ended, and were not lost
	Behind       []string          `json:"behind,omitempty"` // validators that were catching up then
	Lost         uint64            `json:"lost"`             // acknowledged ones that are none of these
	Duplicates   uint64            `json:"duplicates"`
	Unchecked    uint64            `json:"unchecked"` // acknowledged beyond what the check holds in memory
	Agreement    bool              `json:"agreement"` // all commit digests of all nodes are equal
	Disagreement string            `json:"disagreement,omitempty"`
	Unreachable  []string          `json:"unreachable,omitempty"` // nodes whose order was not read back
	Latency      Latency           `json:"latency_ms"`
	Sealed       uint64            `json:"sealed"`        // acknowledged ciphertexts
	Revealed     uint64            `json:"revealed"`      // of them, opened by every validator
	RevealFailed uint64            `json:"reveal_failed"` // of them, committed with another verdict
	Unrevealed   uint64            `json:"unrevealed"`    // of them, committed and not opened in time
	RevealFault  string            `json:"reveal_fault,omitempty"`
	Reveal       Latency           `json:"reveal_ms"`
	Seconds      float64           `json:"seconds"`       // of load
	PerSecond    float64           `json:"tx_per_second"` // committed over the load's seconds
	NodeCPU      float64           `json:"node_cpu_seconds"`
	LoadCPU      float64           `json:"load_cpu_seconds"` // of this program itself
	Calibration  Calibration       `json:"calibration"`
	API          []string          `json:"api"`
	Directory    string            `json:"directory"`
}

// Latency of transactions is from when a transaction was due to be sent until it was seen in a committed round on
// the stream of the node that took it; of reveals, from when a ciphertext was seen committed until it was
// seen opened on the same node's stream. A sample that was never seen does not count.
type Latency struct {
	P50     float64 `json:"p50"` // milliseconds
	P99     float64 `json:"p99"`
	Samples uint64  `json:"samples"`
}

// Calibration tells how fast the machine is: ed25519 signatures that one core verifies one by one
// in a second, before the network started and after it stopped.
type Calibration struct {
	Before float64 `json:"ed25519_verify_per_second_before"`
	After  float64 `json:"ed25519_verify_per_second_after"`
}

// Fault says why the network did not do what it must; nil if it did.
func (r *Result) Fault() error {
	switch {
	case !r.Agreement:
		return fmt.Errorf("validators disagree: %s", r.Disagreement)
	case r.Lost > 0:
		return fmt.Errorf("%d acknowledged transactions are lost", r.Lost)
	case r.Late > 0:
		return fmt.Errorf("%d acknowledged transactions were not yet committed by every validator when the check ended%s: they are not lost, the network was slower than it waited", r.Late, r.behind())
	case r.RevealFault != "":
		return fmt.Errorf("a reveal is wrong: %s", r.RevealFault)
	case r.Unrevealed > 0:
		return fmt.Errorf("%d sealed transactions were committed and not revealed", r.Unrevealed)
	case r.RevealFailed > 0:
		return fmt.Errorf("%d well-made sealed transactions were revealed as failures", r.RevealFailed)
	case r.Duplicates > 0:
		return fmt.Errorf("%d transactions were ordered twice", r.Duplicates)
	case r.Commits == 0:
		return fmt.Errorf("nothing was committed")
	case r.Submitted > 0 && r.Acknowledged == 0:
		return fmt.Errorf("no validator acknowledged any of %d transactions", r.Submitted)
	}
	return nil
}

// behind names who was catching up.
func (r *Result) behind() string {
	if len(r.Behind) == 0 {
		return ""
	}
	return " (" + strings.Join(r.Behind, ", ") + " still caught up)"
}

func (r *Result) fill(f finding, l *ledger, watches []*watch, load time.Duration) {
	r.Commits, r.Rounds = f.commits, f.rounds
	r.Committed, r.Lost, r.Expired, r.Duplicates = f.committed, f.lost, f.expired, f.duplicates
	r.Late, r.Behind = f.late, f.behind
	r.Agreement, r.Disagreement, r.Unreachable = f.agreement, f.disagreement, f.unreachable
	l.mu.Lock()
	r.Submitted, r.Acknowledged, r.Refused = l.submitted, l.acknowledged, l.refused
	r.Unanswered, r.Unsent, r.Reasons = l.unanswered, l.unsent, l.reasons
	r.Unchecked = l.acknowledged - uint64(len(l.ids))
	l.mu.Unlock()
	var commits, reveals histogram
	for _, w := range watches {
		w.latency(&commits, &reveals)
	}
	r.Latency, r.Reveal = newLatency(&commits), newLatency(&reveals)
	r.Seconds = load.Seconds()
	if r.Seconds > 0 {
		r.PerSecond = float64(r.Committed) / r.Seconds
	}
}

func newLatency(h *histogram) Latency {
	return Latency{milliseconds(h.quantile(0.5)), milliseconds(h.quantile(0.99)), h.total}
}

// calibrationTime is long enough to be right to a few per cent and short enough not to be noticed.
const calibrationTime = 200 * time.Millisecond

// calibrate measures the machine for calibrationTime.
func calibrate() (float64, error) {
	key, err := crypto.GenerateIdentityKey(rand.Reader)
	if err != nil {
		return 0, fmt.Errorf("calibrate: %w", err)
	}
	digest := crypto.Hash(crypto.DomainBlock, []byte("calibration"))
	signature := key.Sign(crypto.DomainBlock, digest)
	start, n := time.Now(), 0
	for time.Since(start) < calibrationTime {
		if !key.Public().Verify(crypto.DomainBlock, digest, signature) {
			panic("devnet: own signature does not hold")
		}
		n++
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

// ownCPU is the processor time of this process so far, in seconds.
func ownCPU() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}
