package ordering

import (
	"bytes"
	"fmt"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// Deal is a deal that counts in a key generation. The block that brought it in, which its dealer signed, proves it to
// who knows nothing but the committee: so that block is kept as long as the deal counts, whatever else is pruned.
type Deal struct {
	keygen.Origin
	Message dag.SystemKind // keygen.KindDeal or keygen.KindCertificateDeal
}

// DealsOf lists the deals in carried states, by ascending kind of state, oldest run first and by dealer. The states must
// be known to be right; the deals share their bytes. Errors wrap keygen.ErrState.
func DealsOf(c *dag.Committee, states []State) ([]Deal, error) {
	var out []Deal
	for _, s := range states {
		var purpose keygen.Purpose
		switch s.Kind {
		case SealingKey:
			purpose = keygen.Sealing
		case CertificateKey:
			purpose = keygen.Certificates
		default:
			continue
		}
		origins, err := keygen.Deals(c, purpose, s.Encoded)
		if err != nil {
			return nil, fmt.Errorf("deals in the %v: %w", s.Kind, err)
		}
		for _, o := range origins {
			out = append(out, Deal{o, purpose.Deal})
		}
	}
	return out, nil
}

// In reports whether a block brings in the deal.
func (d *Deal) In(b *dag.Block) bool {
	if b.Author != d.Dealer {
		return false
	}
	for i := range b.System {
		if m := &b.System[i]; m.Kind == d.Message && bytes.Equal(m.Payload, d.Deal) {
			return true
		}
	}
	return false
}

// Among is the one of some blocks that brings the deal in; nil for none.
func (d *Deal) Among(bodies []*dag.Verified) *dag.Verified {
	for _, b := range bodies {
		if d.In(b.Block()) {
			return b
		}
	}
	return nil
}
