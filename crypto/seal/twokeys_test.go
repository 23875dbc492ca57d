package seal

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"slices"
	"testing"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
	"golang.org/x/crypto/chacha20"
)

// The sender and one validator work together to have a ciphertext open to one message for those who
// combine without that validator and to another for those who combine with it. ChaCha20-Poly1305
// allows it: a payload can be made whose tag is right under two keys.

// twoKeysShift moves the mask, by a number found by search, so that the payload's length field makes sense
// under both keys; without that the padding alone would give the attack away.
const twoKeysShift = 3577916

// tagger is the one-time authenticator of a ChaCha20-Poly1305 key, as numbers.
type tagger struct {
	r, s   *big.Int
	stream []byte
}

func newTagger(mask *curve.RistrettoPoint, ctx *[contextSize]byte, u [pointSize]byte, size int) tagger {
	encoded := encodePoint(mask)
	key, err := hkdf.Key(sha256.New, encoded[:], nil, string(tuple([]byte(tagKDF), ctx[:], u[:])), 32)
	if err != nil {
		panic(err)
	}
	c, err := chacha20.NewUnauthenticatedCipher(key, payloadNonce[:])
	if err != nil {
		panic(err)
	}
	stream := make([]byte, 64+size)
	c.XORKeyStream(stream, stream)
	for _, i := range []int{3, 7, 11, 15} {
		stream[i] &= 15
	}
	for _, i := range []int{4, 8, 12} {
		stream[i] &= 252
	}
	return tagger{little(stream[:16]), little(stream[16:32]), stream[64:]}
}

func little(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

var (
	poly130 = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 130), big.NewInt(5))
	two128  = new(big.Int).Lsh(big.NewInt(1), 128)
)

// sum is the polynomial part of the tag, and the factor that one block of the data has in it.
func (g tagger) sum(data []byte, block int) (sum, factor *big.Int) {
	sum, factor = new(big.Int), new(big.Int)
	for i := range len(data) / 16 {
		sum.Add(sum, little(data[16*i:16*i+16]))
		sum.Add(sum, two128)
		factor.Mul(factor, g.r)
		if i == block {
			factor.Set(g.r)
		}
		sum.Mul(sum, g.r).Mod(sum, poly130)
	}
	return sum, factor.Mod(factor, poly130)
}

// collide sets the free block of a payload without tag so that it has one tag under both keys, and
// appends the tag. It reports false when no block does.
func collide(one, two tagger, ctx *[contextSize]byte, body []byte, free int) ([]byte, bool) {
	data := slices.Concat(ctx[:], body, binary.LittleEndian.AppendUint64(nil, contextSize), binary.LittleEndian.AppendUint64(nil, uint64(len(body))))
	at := contextSize + 16*free
	clear(data[at : at+16])
	sumOne, factorOne := one.sum(data, at/16)
	sumTwo, factorTwo := two.sum(data, at/16)
	slope := new(big.Int).Sub(factorOne, factorTwo)
	slope.ModInverse(slope.Mod(slope, poly130), poly130)
	for carry := int64(-4); carry <= 4; carry++ {
		x := new(big.Int).Sub(sumTwo, sumOne)
		x.Add(x, two.s).Sub(x, one.s).Add(x, new(big.Int).Mul(two128, big.NewInt(carry)))
		x.Mul(x, slope).Mod(x, poly130)
		if x.BitLen() > 128 {
			continue
		}
		block := x.FillBytes(make([]byte, 16))
		slices.Reverse(block)
		copy(data[at:], block)
		tagOne, tagTwo := one.tag(data), two.tag(data)
		if tagOne.Cmp(tagTwo) == 0 {
			tag := tagOne.FillBytes(make([]byte, 16))
			slices.Reverse(tag)
			return slices.Concat(data[contextSize:contextSize+len(body)], tag), true
		}
	}
	return nil, false
}

func (g tagger) tag(data []byte) *big.Int {
	sum, _ := g.sum(data, -1)
	return sum.Add(sum, g.s).Mod(sum, two128)
}

// twoKeys crafts the ciphertext. Its payload opens under mask h^r and under that mask moved by -3x times
// the base.
func twoKeys(t *testing.T, c *committee, sigma Opening) (v *Ciphertext, one, two *curve.RistrettoPoint) {
	t.Helper()
	aad := []byte("two keys")
	ctx := c.key.context(aad)
	r := randomness(sigma, &ctx)
	u := encodePoint(basePower(r))
	one = curve.NewRistrettoPoint().MulBasepoint(c.key.h, r)
	two = curve.NewRistrettoPoint().Sub(one, basePower(scalar.NewFromUint64(3*twoKeysShift)))
	first := newTagger(one, &ctx, u, OpeningSize+BucketSize)
	second := newTagger(two, &ctx, u, OpeningSize+BucketSize)

	// Under the first key: sigma, the length 252 and a message of 252 bytes. Under the second: the
	// length that comes out, a message, and zeros behind it.
	body := slices.Clone(first.stream)
	for i, b := range slices.Concat(sigma[:], []byte{0, 0, 0, 252}) {
		body[i] ^= b
	}
	head := OpeningSize + lengthSize
	length := int(binary.BigEndian.Uint32(body[OpeningSize:]) ^ binary.BigEndian.Uint32(second.stream[OpeningSize:]))
	if length > 252 {
		t.Fatalf("length under the second key is %d: the encoding has changed, search a new shift", length)
	}
	copy(body[head+length:], second.stream[head+length:])
	for try := range byte(255) {
		body[head] = try // a byte of both messages
		payload, ok := collide(first, second, &ctx, body, 3)
		if ok {
			return c.verified(t, aad, c.key.prove(&ctx, r, u, nil, payload)), one, two
		}
	}
	t.Fatal("no collision")
	return nil, nil, nil
}

func TestOneVerdictForTwoKeys(t *testing.T) {
	c := newCommittee(t, 4, 8)
	sigma := Opening{4}
	v, one, two := twoKeys(t, c, sigma)
	// The hole is there: under both keys there is a message.
	var messages []string
	for _, mask := range []*curve.RistrettoPoint{one, two} {
		_, message, ok := openPayload(payloadKey(encodePoint(mask), &v.context, v.encoded), &v.context, v.payload)
		if !ok {
			t.Fatal("the crafted payload does not open: the test is wrong")
		}
		messages = append(messages, string(message))
	}
	if messages[0] == messages[1] {
		t.Fatal("the crafted payload has one message")
	}

	// Validator 2 spoils its share so that the quorum 1, 2, 3, where its coefficient is -3, gets the
	// second key.
	b := c.batch(t, v)
	spoiled := *c.share(t, b, 2)
	spoiled.points = []*curve.RistrettoPoint{curve.NewRistrettoPoint().Add(spoiled.points[0], basePower(scalar.NewFromUint64(twoKeysShift)))}
	encoded := encodePoint(spoiled.points[0])
	spoiled.encoded = encoded[:]
	shares := map[int]*Share{1: c.share(t, b, 1), 2: &spoiled, 3: c.share(t, b, 3), 4: c.share(t, b, 4)}
	for _, order := range [][]int{{1, 2, 3, 4}, {1, 3, 4, 2}, {4, 3, 2, 1}, {2, 4, 1, 3}} {
		combiner := c.combiner(t, b)
		for _, k := range order {
			if err := combiner.Add(shares[k]); err != nil {
				t.Fatal(err)
			}
			combiner.Combine()
		}
		r := combiner.Combine()[0]
		if r.Verdict != Opened || string(r.Message) != messages[0] || r.Opening != sigma {
			t.Errorf("order %v: %v %x", order, r.Verdict, r.Message)
		}
	}
}

// The same two, but the payload is sealed under the mask that the spoiled share leads to. With right
// shares it is invalid, so it must be with the spoiled one, although what is inside fits one of the two
// equations.
func TestOneVerdictForSpoiledMask(t *testing.T) {
	c := newCommittee(t, 4, 10)
	inside, shift := Opening{5}, randomScalar(c.random)
	aad := []byte("spoiled")
	ctx := c.key.context(aad)
	r := randomness(inside, &ctx)
	for name, outer := range map[string]*scalar.Scalar{"u fits, mask does not": r, "mask fits, u does not": randomScalar(c.random)} {
		u := encodePoint(basePower(outer))
		right := curve.NewRistrettoPoint().MulBasepoint(c.key.h, outer)
		spoiledMask := curve.NewRistrettoPoint().MulBasepoint(c.key.h, r)
		if outer == r {
			spoiledMask.Add(spoiledMask, basePower(shift))
		}
		payload := sealPayload(payloadKey(encodePoint(spoiledMask), &ctx, u), &ctx, inside, pad([]byte("only here")))
		b := c.batch(t, c.verified(t, aad, c.key.prove(&ctx, outer, u, nil, payload)))

		// In the quorum 1, 2, 3 the coefficient of validator 2 is -3.
		third := scalar.New().Invert(negative(scalar.NewFromUint64(3)))
		difference := curve.NewRistrettoPoint().Sub(spoiledMask, right)
		spoiled := *c.share(t, b, 2)
		spoiled.points = []*curve.RistrettoPoint{difference.Add(difference.Mul(difference, third), spoiled.points[0])}
		encoded := encodePoint(spoiled.points[0])
		spoiled.encoded = encoded[:]

		combiner := c.combiner(t, b, c.share(t, b, 1), &spoiled, c.share(t, b, 3))
		if got := combiner.Combine()[0]; got.Verdict != Undecided {
			t.Errorf("%s: two right shares of three give %v %q", name, got.Verdict, got.Message)
		}
		if err := combiner.Add(c.share(t, b, 4)); err != nil {
			t.Fatal(err)
		}
		if got := combiner.Combine()[0].Verdict; got != Invalid {
			t.Errorf("%s: three right shares give %v", name, got)
		}
		for _, sigma := range []Opening{inside, {}} {
			if err := c.combiner(t, b).Offer(0, sigma); err == nil {
				t.Errorf("%s: has an opening", name)
			}
		}
	}
}
