package seal

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/dunlin-network/dunlin/crypto"
)

// The load that is measured: commits of 64 ciphertexts of 200 bytes.
const (
	benchBatch   = 64
	benchMessage = 200
)

// benchSizes are the committees that are measured.
var benchSizes = []int{4, 16, 64, 100}

// benchRound is one commit as a validator sees it: ciphertexts and the shares of a quorum, as bytes.
type benchRound struct {
	committee   *committee
	ciphertexts [][]byte
	members     []*Ciphertext
	batch       *Batch
	encoded     [][]byte
}

func newBenchRound(b *testing.B, n int) *benchRound {
	b.Helper()
	r := &benchRound{committee: newCommittee(b, n, uint64(n))}
	for range benchBatch {
		r.ciphertexts = append(r.ciphertexts, r.committee.encrypt(b, nil, make([]byte, benchMessage)))
	}
	r.members = r.verify(b)
	r.batch = r.committee.batch(b, r.members...)
	for k := n; k > n-Threshold(n); k-- {
		r.encoded = append(r.encoded, r.committee.share(b, r.batch, k).Encode())
	}
	return r
}

func (r *benchRound) verify(b *testing.B) (out []*Ciphertext) {
	for _, ct := range r.ciphertexts {
		out = append(out, r.committee.verified(b, nil, ct))
	}
	return out
}

func (r *benchRound) decode(b *testing.B) (out []*Share) {
	for _, e := range r.encoded {
		s, err := DecodeShare(e)
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

func (r *benchRound) combine(b *testing.B, shares []*Share) {
	combiner := r.committee.combiner(b, r.batch, shares...)
	combiner.Combine()
	if !combiner.Done() {
		b.Fatal("not opened")
	}
}

// processorTime is what this process has used so far. Work per second of it is work per core, also
// on a machine that does other things meanwhile.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// signatureRate measures ed25519 verifications per second on one core, in this run.
func signatureRate(b *testing.B) float64 {
	b.Helper()
	key, err := crypto.NewIdentityKey(make([]byte, crypto.SeedSize))
	if err != nil {
		b.Fatal(err)
	}
	const count = 4000
	d := crypto.Hash(crypto.DomainBlock, nil)
	signature, start := key.Sign(crypto.DomainBlock, d), processorTime(b)
	for range count {
		if !key.Public().Verify(crypto.DomainBlock, d, signature) {
			b.Fatal("signature")
		}
	}
	return count / (processorTime(b) - start).Seconds()
}

// measure repeats work on a batch and reports processor time per ciphertext. It returns how many
// ciphertexts a core does in a second.
func measure(b *testing.B, work func(b *testing.B)) float64 {
	b.Helper()
	start, rounds := processorTime(b), 0
	for b.Loop() {
		work(b)
		rounds++
	}
	each := (processorTime(b) - start).Seconds() / float64(rounds*benchBatch)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(1e6*each, "us/ciphertext")
	return 1 / each
}

// BenchmarkSealValidator is the whole work of a validator for a ciphertext, on one core: check it, make the
// own share, read the shares of a quorum and combine them. Below it is where the time goes. Slow is what
// the check of all shares adds when a sender cheats, cheats what it costs when f validators do.
func BenchmarkSealValidator(b *testing.B) {
	for _, n := range benchSizes {
		r := newBenchRound(b, n)
		shares := r.decode(b)
		cheats := slices.Clone(shares)
		for i := range (n - 1) / 3 {
			cheats[2*i] = tampered(b, shares[2*i], movePoint(shareHeaderSize))
		}
		b.Run(fmt.Sprintf("n=%d/all", n), func(b *testing.B) {
			rate := measure(b, func(b *testing.B) {
				r.verify(b)
				r.committee.share(b, r.batch, 1)
				r.combine(b, r.decode(b))
			})
			b.ReportMetric(rate, "ciphertexts/s")
			b.ReportMetric(signatureRate(b), "ed25519/s")
		})
		for _, part := range []struct {
			name string
			work func(b *testing.B)
		}{
			{"verify", func(b *testing.B) { r.verify(b) }},
			{"share", func(b *testing.B) { r.committee.share(b, r.batch, 1) }},
			{"decode", func(b *testing.B) { r.decode(b) }},
			{"combine", func(b *testing.B) { r.combine(b, shares) }},
			{"slow", func(b *testing.B) { r.committee.public.VerifyShares(r.batch, shares) }},
			{"cheats", func(b *testing.B) { r.committee.public.VerifyShares(r.batch, cheats) }},
		} {
			b.Run(fmt.Sprintf("n=%d/%s", n, part.name), func(b *testing.B) { measure(b, part.work) })
		}
	}
}

// BenchmarkSealReader is what users and readers do, for each ciphertext.
func BenchmarkSealReader(b *testing.B) {
	r := newBenchRound(b, 4)
	combiner := r.committee.combiner(b, r.batch, r.decode(b)...)
	sigma := combiner.Combine()[0].Opening
	b.Run("encrypt", func(b *testing.B) {
		for b.Loop() {
			r.committee.encrypt(b, nil, make([]byte, benchMessage))
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.committee.key.Open(nil, r.ciphertexts[0], sigma); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("key", func(b *testing.B) {
		for b.Loop() {
			if _, err := NewKey(testNetwork, testKeyID, r.committee.key.encoded[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSealLagrange is what a quorum that was not seen before costs.
func BenchmarkSealLagrange(b *testing.B) {
	for _, n := range benchSizes {
		quorum := indices(Threshold(n))
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			for b.Loop() {
				lagrange(quorum)
			}
		})
	}
}
