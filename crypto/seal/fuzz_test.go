package seal

import (
	"bytes"
	"testing"
)

func FuzzVerify(f *testing.F) {
	c := newCommittee(f, 4, 1)
	good := c.encrypt(f, []byte("aad"), []byte("message"))
	f.Add([]byte("aad"), good)
	f.Add([]byte{}, good)
	f.Add([]byte("aad"), good[:headerSize])
	f.Fuzz(func(t *testing.T, aad, ciphertext []byte) {
		before := bytes.Clone(ciphertext)
		v, err := c.key.Verify(aad, ciphertext)
		if !bytes.Equal(before, ciphertext) {
			t.Fatal("changed its input")
		}
		if err != nil {
			return
		}
		// Nobody but the fuzzer's seeds can have made a proof.
		if string(aad) != "aad" || !bytes.Equal(ciphertext, good) || v.Hash() != Hash(good) {
			t.Fatal("forged")
		}
	})
}

func FuzzDecodeShare(f *testing.F) {
	c := newCommittee(f, 4, 2)
	b := c.sealed(f, []byte("a"), []byte("b"))
	f.Add(c.share(f, b, 1).Encode())
	f.Add(c.share(f, c.sealed(f, []byte("c")), 4).Encode())
	f.Fuzz(func(t *testing.T, encoded []byte) {
		s, err := DecodeShare(encoded)
		if err != nil {
			return
		}
		if !bytes.Equal(s.Encode(), encoded) {
			t.Fatal("a share has two encodings")
		}
		wrong := len(c.public.VerifyShares(b, []*Share{s})) > 0
		if own := bytes.Equal(encoded, c.share(t, b, min(s.Index(), 4)).Encode()); own == wrong {
			t.Fatalf("own share %v, called wrong %v", own, wrong)
		}
	})
}

func FuzzOpen(f *testing.F) {
	c := newCommittee(f, 1, 3)
	good := c.encrypt(f, []byte("aad"), []byte("message"))
	b := c.batch(f, c.verified(f, []byte("aad"), good))
	sigma := c.combiner(f, b, c.share(f, b, 1)).Combine()[0].Opening
	f.Add([]byte("aad"), good, sigma[:])
	f.Fuzz(func(t *testing.T, aad, ciphertext, opening []byte) {
		if len(opening) != OpeningSize {
			return
		}
		message, err := c.key.Open(aad, ciphertext, Opening(opening))
		if err == nil && (string(message) != "message" || !bytes.Equal(ciphertext[headerSize:], good[headerSize:])) {
			t.Fatal("opened what nobody sealed")
		}
	})
}
