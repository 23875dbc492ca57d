package reveal

import (
	gocrypto "crypto"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"testing"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
	"github.com/oasisprotocol/curve25519-voi/primitives/h2c"

	"github.com/dunlin-network/dunlin/crypto/seal"
	"github.com/dunlin-network/dunlin/dag"
)

// crafted is a sealed item whose proof holds and whose payload is garbage: what a sender can do who
// keeps to the public check only.
func (w *network) crafted(key int, payload []byte) dag.Item {
	w.t.Helper()
	s := dag.Sealed{ValidUntil: 1000, Namespaces: []dag.Namespace{7}}
	s.Ciphertext = w.prove(w.sealing[key], s.Associated(), payload)
	if _, err := w.sealing[key].Verify(s.Associated(), s.Ciphertext); err != nil {
		w.t.Fatal(err)
	}
	return w.item(&s)
}

// garbage is a payload of the length of a short message's.
func garbage() []byte { return make([]byte, seal.OpeningSize+16+seal.BucketSize) }

// prove makes a ciphertext around any payload, as the paper has it.
func (w *network) prove(key *seal.Key, associated, payload []byte) []byte {
	w.t.Helper()
	network, id := key.Network(), binary.BigEndian.AppendUint64(nil, key.ID())
	context := sha512.Sum512(joined([]byte("DUNLIN-V1-R255-CTX"), network[:], id, key.Bytes(), associated))
	second, err := h2c.Ristretto255_XMD_R255MAP_RO(gocrypto.SHA512, []byte("DUNLIN-V1-R255-GBAR"), joined(network[:], id))
	if err != nil {
		w.t.Fatal(err)
	}
	r, s := w.scalar(), w.scalar()
	base := curve.RISTRETTO_BASEPOINT_POINT
	u, uSecond, point, pointSecond := power(base, r), power(second, r), power(base, s), power(second, s)
	digest := sha256.Sum256(payload)
	e := w.challenge(joined(context[:], digest[:], u, point, uSecond, pointSecond))
	z := scalar.New().Mul(r, e)
	z.Add(z, s)
	out := append([]byte{1}, id...)
	out = append(append(out, u...), uSecond...)
	out = append(append(out, bytesOf(w.t, e)...), bytesOf(w.t, z)...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(payload)))
	return append(out, payload...)
}

func (w *network) scalar() *scalar.Scalar {
	s, err := scalar.New().SetRandom(w.random)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *network) challenge(input []byte) *scalar.Scalar {
	var wide [scalar.ScalarWideSize]byte
	if err := h2c.ExpandMessageXMD(wide[:], gocrypto.SHA512, []byte("DUNLIN-V1-R255-CHAL"), input); err != nil {
		w.t.Fatal(err)
	}
	s, err := scalar.NewFromBytesModOrderWide(wide[:])
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func power(p *curve.RistrettoPoint, s *scalar.Scalar) []byte {
	encoded := *curve.NewCompressedRistretto().SetRistrettoPoint(curve.NewRistrettoPoint().Mul(p, s))
	return encoded[:]
}

func bytesOf(t testing.TB, s *scalar.Scalar) []byte {
	out := make([]byte, scalar.ScalarSize)
	if err := s.ToBytes(out); err != nil {
		t.Fatal(err)
	}
	return out
}

func joined(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(p))), p...)
	}
	return out
}
