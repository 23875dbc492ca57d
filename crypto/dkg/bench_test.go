package dkg

import (
	"fmt"
	"testing"
)

func BenchmarkDKG(b *testing.B) {
	for _, n := range []int{4, 16, 64, 100} {
		for _, g := range []Group{Ristretto255, BLS12381G2} {
			benchmarkRun(b, newPartyIn(b, g, n))
		}
	}
}

func benchmarkRun(b *testing.B, p *party) {
	n := len(p.members)
	raw := p.deal(0)
	d := p.checked(b, 0, raw)
	deals := make([]*Deal, n)
	for i := range deals {
		c := *d
		c.dealer = i
		deals[i] = &c
	}
	last := n - 1 // whose value is the dearest to compute
	complaint := p.Complain(d, last, p.secrets[last])
	steps := []struct {
		name string
		do   func()
	}{
		{"make-deal", func() { p.deal(0) }},
		{"check-deal", func() { _, _ = p.CheckDeal(0, raw) }},
		{"check-share", func() { _ = p.CheckShare(d, last, p.secrets[last]) }},
		{"judge", func() { p.Judge(d, last, complaint) }},
		{"combine", func() { _, _ = p.Combine(deals) }},
	}
	for _, step := range steps {
		b.Run(fmt.Sprintf("n=%d/%s/%s", n, p.context.Group.Name(), step.name), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				step.do()
			}
			b.ReportMetric(float64(len(raw)), "deal-bytes")
		})
	}
}
