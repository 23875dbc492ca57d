package seal

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"

	"github.com/dunlin-network/dunlin/crypto"
)

// committee is a key with all its shares, as a trusted dealer would make it.
type committee struct {
	key     *Key
	public  *Public
	secrets []*SecretShare // of validator 1 first
	random  io.Reader
}

func testRandom(seed uint64) *rand.ChaCha8 {
	var s [32]byte
	binary.BigEndian.PutUint64(s[:], seed)
	return rand.NewChaCha8(s)
}

func randomScalar(random io.Reader) *scalar.Scalar {
	s, err := scalar.New().SetRandom(random)
	if err != nil {
		panic(err)
	}
	return s
}

func basePower(s *scalar.Scalar) *curve.RistrettoPoint {
	return curve.NewRistrettoPoint().MulBasepoint(curve.RISTRETTO_BASEPOINT_TABLE, s)
}

var testNetwork = crypto.Hash(crypto.DomainGenesis, []byte("seal test"))

const testKeyID = 7

// dealing is the raw material of a committee.
type dealing struct {
	h       []byte
	shares  [][]byte
	secrets [][]byte
}

func deal(n, threshold int, random io.Reader) dealing {
	var polynomial []*scalar.Scalar
	for range threshold {
		polynomial = append(polynomial, randomScalar(random))
	}
	h := encodePoint(basePower(polynomial[0]))
	d := dealing{h: h[:]}
	for k := 1; k <= n; k++ {
		// Not by evaluate, which is under test.
		at, power, s := scalar.NewFromUint64(uint64(k)), scalar.One(), scalar.New()
		for _, a := range polynomial {
			s.Add(s, scalar.New().Mul(a, power))
			power.Mul(power, at)
		}
		secret, y := encodeScalar(s), encodePoint(basePower(s))
		d.secrets = append(d.secrets, secret[:])
		d.shares = append(d.shares, y[:])
	}
	return d
}

func newCommittee(t testing.TB, n int, seed uint64) *committee {
	t.Helper()
	random := testRandom(seed)
	d := deal(n, Threshold(n), random)
	c := &committee{random: random}
	var err error
	if c.key, err = NewKey(testNetwork, testKeyID, d.h); err != nil {
		t.Fatal(err)
	}
	if c.public, err = NewPublic(c.key, Threshold(n), d.shares); err != nil {
		t.Fatal(err)
	}
	for i, b := range d.secrets {
		s, err := NewSecretShare(c.key, i+1, b)
		if err != nil {
			t.Fatal(err)
		}
		if y := s.Public(); !bytes.Equal(y[:], d.shares[i]) {
			t.Fatalf("public share %d is %x, want %x", i+1, y, d.shares[i])
		}
		c.secrets = append(c.secrets, s)
	}
	return c
}

func (c *committee) encrypt(t testing.TB, aad, message []byte) []byte {
	t.Helper()
	ct, err := c.key.Encrypt(c.random, aad, message)
	if err != nil {
		t.Fatal(err)
	}
	return ct
}

func (c *committee) verified(t testing.TB, aad, ciphertext []byte) *Ciphertext {
	t.Helper()
	v, err := c.key.Verify(aad, ciphertext)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (c *committee) batch(t testing.TB, members ...*Ciphertext) *Batch {
	t.Helper()
	b, err := NewBatch(c.key, crypto.Hash(crypto.DomainCommit, []byte("commit")), members)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sealed makes the batch of some messages, each under its own associated data.
func (c *committee) sealed(t testing.TB, messages ...[]byte) *Batch {
	t.Helper()
	var members []*Ciphertext
	for i, m := range messages {
		aad := []byte{byte(i)}
		members = append(members, c.verified(t, aad, c.encrypt(t, aad, m)))
	}
	return c.batch(t, members...)
}

func (c *committee) share(t testing.TB, b *Batch, index int) *Share {
	t.Helper()
	s, err := c.secrets[index-1].Decrypt(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (c *committee) combiner(t testing.TB, b *Batch, shares ...*Share) *Combiner {
	t.Helper()
	combiner, err := c.public.NewCombiner(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shares {
		if err := combiner.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	return combiner
}

// craft is what a sender can do who keeps to the proof only: any payload with any r.
func (c *committee) craft(t testing.TB, aad []byte, r *scalar.Scalar, payload func(aeadKey [pointSize]byte, ctx *[contextSize]byte, u [pointSize]byte) []byte) *Ciphertext {
	t.Helper()
	ctx := c.key.context(aad)
	u := encodePoint(basePower(r))
	mask := encodePoint(curve.NewRistrettoPoint().MulBasepoint(c.key.h, r))
	return c.verified(t, aad, c.key.prove(&ctx, r, u, []byte("fresh"), payload(mask, &ctx, u)))
}

// garbage is a ciphertext whose proof holds and whose payload opens under no key.
func (c *committee) garbage(t testing.TB, aad []byte) *Ciphertext {
	return c.craft(t, aad, randomScalar(c.random), func([pointSize]byte, *[contextSize]byte, [pointSize]byte) []byte {
		return make([]byte, payloadOverhead+BucketSize)
	})
}

// otherSigma is a ciphertext whose payload opens under the right key and holds a sigma that does not
// lead to u.
func (c *committee) otherSigma(t testing.TB, aad []byte, sigma Opening) *Ciphertext {
	return c.craft(t, aad, randomScalar(c.random), func(mask [pointSize]byte, ctx *[contextSize]byte, u [pointSize]byte) []byte {
		return sealPayload(payloadKey(mask, ctx, u), ctx, sigma, pad([]byte("two openings?")))
	})
}

// tampered is a copy of a share with other points, claims and proof as the change says.
func tampered(t testing.TB, s *Share, change func(encoded []byte)) *Share {
	t.Helper()
	b := s.Encode()
	change(b)
	out, err := DecodeShare(b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// movePoint replaces one group element of an encoding by another one.
func movePoint(at int) func([]byte) {
	return func(b []byte) {
		p, err := decodePoint(b[at:][:pointSize])
		if err != nil {
			panic(err)
		}
		moved := encodePoint(p.Add(p, curve.RISTRETTO_BASEPOINT_POINT))
		copy(b[at:], moved[:])
	}
}
