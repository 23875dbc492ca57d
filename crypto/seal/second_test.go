package seal

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"testing"

	"github.com/cloudflare/circl/group"
	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/dunlin-network/dunlin/crypto"
)

// The scheme a second time, on circl's group, written from the design's formulas and sharing no code
// with the package. It is slow and not constant-time.
type second struct {
	network crypto.Digest
	id      uint64
	h       group.Element
	gbar    group.Element
}

var r255 = group.Ristretto255

func join(parts ...any) []byte {
	var out []byte
	for _, p := range parts {
		var b []byte
		switch p := p.(type) {
		case []byte:
			b = p
		case string:
			b = []byte(p)
		case group.Element:
			b, _ = p.MarshalBinary()
		case group.Scalar:
			b, _ = p.MarshalBinary()
		case uint64:
			b = binary.BigEndian.AppendUint64(nil, p)
		case uint16:
			b = binary.BigEndian.AppendUint16(nil, p)
		default:
			panic("join")
		}
		out = binary.BigEndian.AppendUint32(out, uint32(len(b)))
		out = append(out, b...)
	}
	return out
}

func newSecond(network crypto.Digest, id uint64, h []byte) *second {
	s := &second{network: network, id: id, h: element(h)}
	s.gbar = r255.HashToElement(join(network[:], id), []byte("DUNLIN-V1-R255-GBAR"))
	return s
}

func element(b []byte) group.Element {
	e := r255.NewElement()
	if err := e.UnmarshalBinary(b); err != nil {
		panic(err)
	}
	return e
}

func number(b []byte) group.Scalar {
	s := r255.NewScalar()
	if err := s.UnmarshalBinary(b); err != nil {
		panic(err)
	}
	return s
}

func power(e group.Element, s group.Scalar) group.Element { return r255.NewElement().Mul(e, s) }
func times(a, b group.Element) group.Element              { return r255.NewElement().Add(a, b) }
func bytesOf(e group.Element) []byte                      { b, _ := e.MarshalBinary(); return b }
func h2s(tag string, parts ...any) group.Scalar {
	return r255.HashToScalar(join(parts...), []byte("DUNLIN-V1-R255-"+tag))
}

func (s *second) context(aad []byte) []byte {
	sum := sha512.Sum512(join("DUNLIN-V1-R255-CTX", s.network[:], s.id, s.h, aad))
	return sum[:]
}

// crypt is HKDF-SHA256 by its two steps, then ChaCha20-Poly1305 with nonce 0.
func (s *second) crypt(mask group.Element, ctx []byte, u group.Element) (seal, open func([]byte) []byte) {
	extract := hmac.New(sha256.New, make([]byte, 32))
	extract.Write(bytesOf(mask))
	expand := hmac.New(sha256.New, extract.Sum(nil))
	expand.Write(join("DUNLIN-V1-R255-KDF", ctx, u))
	expand.Write([]byte{1})
	aead, err := chacha20poly1305.New(expand.Sum(nil))
	if err != nil {
		panic(err)
	}
	seal = func(b []byte) []byte { return aead.Seal(nil, make([]byte, 12), b, ctx) }
	open = func(b []byte) []byte {
		plain, err := aead.Open(nil, make([]byte, 12), b, ctx)
		if err != nil {
			return nil
		}
		return plain
	}
	return seal, open
}

func (s *second) encrypt(sigma, aad, message []byte, nonce group.Scalar) []byte {
	ctx := s.context(aad)
	r := h2s("R", sigma, ctx)
	g := r255.Generator()
	u, ubar := power(g, r), power(s.gbar, r)
	inner := binary.BigEndian.AppendUint32(nil, uint32(len(message)))
	inner = append(inner, message...)
	for len(inner)%256 != 0 {
		inner = append(inner, 0)
	}
	seal, _ := s.crypt(power(s.h, r), ctx, u)
	payload := seal(append(bytes.Clone(sigma), inner...))
	digest := sha256.Sum256(payload)
	e := h2s("CHAL", ctx, digest[:], u, power(g, nonce), ubar, power(s.gbar, nonce))
	z := r255.NewScalar().Mul(r, e)
	z.Add(z, nonce)
	out := binary.BigEndian.AppendUint64([]byte{1}, s.id)
	for _, part := range [][]byte{bytesOf(u), bytesOf(ubar), join(e)[4:], join(z)[4:]} {
		out = append(out, part...)
	}
	out = binary.BigEndian.AppendUint32(out, uint32(len(payload)))
	return append(out, payload...)
}

func (s *second) verify(aad, ct []byte) bool {
	u, ubar, e, z := element(ct[9:41]), element(ct[41:73]), number(ct[73:105]), number(ct[105:137])
	minus := r255.NewScalar().Neg(e)
	w := times(power(r255.Generator(), z), power(u, minus))
	wbar := times(power(s.gbar, z), power(ubar, minus))
	digest := sha256.Sum256(ct[141:])
	return h2s("CHAL", s.context(aad), digest[:], u, w, ubar, wbar).IsEqual(e)
}

// partial checks both equations of a share's proof one by one and that the points are the powers.
func (s *second) partial(t *testing.T, secret group.Scalar, index int, cts [][]byte, encoded []byte) {
	t.Helper()
	count := len(cts)
	all := encoded[45 : 45+32*count]
	batch := encoded[11:43]
	proof := encoded[45+32*count:]
	a, b, z := element(proof[:32]), element(proof[32:64]), number(proof[64:])
	seed := sha512.Sum512(join("DUNLIN-V1-R255-RHO", batch, uint16(index), all))
	d, product := r255.Identity(), r255.Identity()
	for i, ct := range cts {
		u, pd := element(ct[9:41]), element(all[32*i:32*i+32])
		if !power(u, secret).IsEqual(pd) {
			t.Fatalf("point %d of share %d is not u^s", i, index)
		}
		block := sha512.Sum512(binary.BigEndian.AppendUint32(bytes.Clone(seed[:]), uint32(i/4)))
		rho := number(append(bytes.Clone(block[16*(i%4):][:16]), make([]byte, 16)...))
		d, product = times(d, power(u, rho)), times(product, power(pd, rho))
	}
	y := power(r255.Generator(), secret)
	c := h2s("DLEQ", batch, uint16(index), y, all, a, b)
	if !power(r255.Generator(), z).IsEqual(times(a, power(y, c))) {
		t.Fatalf("share %d: g^z is not A Y^c", index)
	}
	if !power(d, z).IsEqual(times(b, power(product, c))) {
		t.Fatalf("share %d: D^z is not B P^c", index)
	}
}

// combine gives message and sigma of one ciphertext, or nil.
func (s *second) combine(aad, ct []byte, points map[int]group.Element) (message, sigma []byte) {
	mask := r255.Identity()
	for k, p := range points {
		coefficient := r255.NewScalar().SetUint64(1)
		for j := range points {
			if j != k {
				up, down := r255.NewScalar().SetUint64(uint64(j)), r255.NewScalar().SetUint64(uint64(k))
				down.Sub(up, down)
				coefficient.Mul(coefficient, up)
				coefficient.Mul(coefficient, down.Inv(down))
			}
		}
		mask = times(mask, power(p, coefficient))
	}
	ctx, u := s.context(aad), element(ct[9:41])
	_, open := s.crypt(mask, ctx, u)
	plain := open(ct[141:])
	if plain == nil {
		return nil, nil
	}
	r := h2s("R", plain[:32], ctx)
	if !power(r255.Generator(), r).IsEqual(u) || !power(s.h, r).IsEqual(mask) {
		return nil, nil
	}
	return plain[36:][:binary.BigEndian.Uint32(plain[32:])], plain[:32]
}

func TestSecondImplementationEncodesAlike(t *testing.T) {
	random := testRandom(1)
	for range 50 {
		wide := make([]byte, 90)
		random.Read(wide)
		tag := "TAG" + string(wide[:5])
		theirs := r255.HashToScalar(join(wide[:20], wide[20:]), []byte(tag))
		ours := encodeScalar(hashToScalar(tag, wide[:20], wide[20:]))
		if b, _ := theirs.MarshalBinary(); !bytes.Equal(b, ours[:]) {
			t.Fatalf("hash to scalar: %x, circl %x", ours, b)
		}
		point := encodePoint(hashToPoint(tag, wide))
		if b := bytesOf(r255.HashToElement(join(wide), []byte(tag))); !bytes.Equal(b, point[:]) {
			t.Fatalf("hash to group: %x, circl %x", point, b)
		}
		s, err := decodeScalar(ours[:])
		if err != nil {
			t.Fatal(err)
		}
		sum := encodePoint(curve.NewRistrettoPoint().Mul(hashToPoint(tag, wide), s))
		if b := bytesOf(power(element(point[:]), theirs)); !bytes.Equal(b, sum[:]) {
			t.Fatalf("multiplication: %x, circl %x", sum, b)
		}
		inverse := encodeScalar(scalar.New().Invert(s))
		if b, _ := r255.NewScalar().Inv(theirs).MarshalBinary(); !bytes.Equal(b, inverse[:]) {
			t.Fatalf("inverse: %x, circl %x", inverse, b)
		}
	}
}

func TestSecondImplementationAgrees(t *testing.T) {
	for _, n := range []int{1, 4, 7} {
		c := newCommittee(t, n, uint64(n))
		other := newSecond(testNetwork, testKeyID, c.key.Bytes())
		var cts, aads, messages [][]byte
		var members []*Ciphertext
		for i, size := range []int{0, 1, 200, 252, 253, 5000} {
			message, aad, sigma := make([]byte, size), make([]byte, 3*i), make([]byte, 32)
			for _, b := range [][]byte{message, aad, sigma} {
				if _, err := c.random.Read(b); err != nil {
					t.Fatal(err)
				}
			}
			ours, theirs := c.encrypt(t, aad, message), other.encrypt(sigma, aad, message, r255.RandomScalar(nil))
			if !other.verify(aad, ours) || other.verify(append(aad, 0), ours) {
				t.Fatal("the second implementation does not accept what the first makes, or accepts other associated data")
			}
			for _, ct := range [][]byte{ours, theirs} {
				members = append(members, c.verified(t, aad, ct))
				cts, aads, messages = append(cts, ct), append(aads, aad), append(messages, message)
			}
		}
		b := c.batch(t, members...)
		combiner := c.combiner(t, b)
		points := make([]map[int]group.Element, len(cts))
		for k := n; k > n-Threshold(n); k-- {
			share := c.share(t, b, k)
			encoded := share.Encode()
			other.partial(t, number(c.secrets[k-1].Bytes()), k, cts, encoded)
			if err := combiner.Add(share); err != nil {
				t.Fatal(err)
			}
			for i := range cts {
				if points[i] == nil {
					points[i] = make(map[int]group.Element)
				}
				points[i][k] = element(encoded[45+32*i:][:32])
			}
		}
		for i, r := range combiner.Combine() {
			message, sigma := other.combine(aads[i], cts[i], points[i])
			if r.Verdict != Opened || !bytes.Equal(r.Message, messages[i]) {
				t.Fatalf("n=%d: ciphertext %d is %v: %x", n, i, r.Verdict, r.Message)
			}
			if !bytes.Equal(message, r.Message) || !bytes.Equal(sigma, r.Opening[:]) {
				t.Fatalf("n=%d: ciphertext %d: second implementation has %x with %x", n, i, message, sigma)
			}
		}
	}
}
