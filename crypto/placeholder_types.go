package crypto

// KEMPublicKey is an encoded ristretto255 element.
type KEMPublicKey [32]byte

// BLSPublicKey is a compressed G2 element of BLS12-381.
type BLSPublicKey [96]byte
