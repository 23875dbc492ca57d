package dkg

import (
	"bytes"
	"testing"
)

// FuzzDeal: whatever CheckDeal accepts is exactly its bytes, and its shares are good or provably bad.
func FuzzDeal(f *testing.F) { fuzzDeal(f, newParty(f, 4)) }

// FuzzDealG2 is FuzzDeal in the other group.
func FuzzDealG2(f *testing.F) { fuzzDeal(f, newPartyIn(f, BLS12381G2, 4)) }

func fuzzDeal(f *testing.F, p *party) {
	f.Add(p.deal(1))
	f.Add(p.deal(2))
	f.Add(p.crooked(1, 3))
	f.Add(make([]byte, p.DealSize()))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := p.CheckDeal(1, raw)
		if read, readErr := p.ReadDeal(1, raw); (err == nil) && (readErr != nil || read.Digest() != d.Digest()) {
			t.Fatalf("checked but not read: %v", readErr)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(d.Bytes(), raw) {
			t.Fatal("a deal has two encodings")
		}
		for k := range p.members {
			bad := p.CheckShare(d, k, p.secrets[k]) != nil
			if verdict := p.Judge(d, k, p.Complain(d, k, p.secrets[k])); (verdict == DealerGuilty) != bad {
				t.Fatalf("member %d: share bad %t, verdict %v", k, bad, verdict)
			}
		}
	})
}

// FuzzComplaint: nobody but the victim proves a dealer guilty, whatever the bytes.
func FuzzComplaint(f *testing.F) {
	p := newParty(f, 4)
	honest := p.checked(f, 1, p.deal(1))
	crooked := p.checked(f, 1, p.crooked(1, 3))
	good := p.Complain(crooked, 3, p.secrets[3])
	f.Add(good[:])
	f.Add(make([]byte, ComplaintSize))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var c Complaint
		copy(c[:], raw)
		for k := range p.members {
			if p.Judge(honest, k, c) == DealerGuilty {
				t.Fatalf("an honest dealer is guilty to %d", k)
			}
			if p.Judge(crooked, k, c) == DealerGuilty && c != good {
				t.Fatalf("another complaint than the victim's holds for %d", k)
			}
		}
	})
}
