package certify

import (
	fast "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
)

// Sizes of the encodings of EIP-2537 in bytes: coordinates are uncompressed and take 64 bytes each, of which
// the first 16 are zero. In G2 the coefficients of a coordinate stand as c0, c1, the other way round than in
// the compressed encoding.
const (
	evmField = 64
	EVMG1    = 2 * evmField
	EVMG2    = 4 * evmField
)

// EVM is the signature as the precompiles of EIP-2537 take it. Errors wrap ErrSignature.
func (s Signature) EVM() ([EVMG1]byte, error) {
	p, err := readSignature(s)
	if err != nil {
		return [EVMG1]byte{}, err
	}
	return evmG1(p), nil
}

// EVM is the key as the precompiles of EIP-2537 take it. Errors wrap ErrKey.
func (p PublicKey) EVM() ([EVMG2]byte, error) {
	key, err := readKey(p[:])
	if err != nil {
		return [EVMG2]byte{}, err
	}
	return evmG2(key), nil
}

func evmG1(p *fast.G1Affine) (out [EVMG1]byte) {
	appendField(appendField(out[:0], &p.X), &p.Y)
	return out
}

func evmG2(p *fast.G2Affine) (out [EVMG2]byte) {
	b := appendField(appendField(out[:0], &p.X.A0), &p.X.A1)
	appendField(appendField(b, &p.Y.A0), &p.Y.A1)
	return out
}

func appendField(b []byte, x *fp.Element) []byte {
	v := x.Bytes()
	return append(append(b, make([]byte, evmField-len(v))...), v[:]...)
}
