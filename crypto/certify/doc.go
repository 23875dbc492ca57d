// Package certify signs commits as one committee: threshold BLS on BLS12-381, signatures in G1 (48 bytes), keys
// in G2 (96 bytes), hash to curve BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_. It is the scheme of drand's
// quicknet and of circl's sign/bls.KeyG2SigG1, so that any BLS library checks a certificate with the one
// public key of the committee, and so does a contract with the precompiles of EIP-2537.
//
// The key is made by package dkg in G2, with polynomials of degree 2f: member k holds s_k, everybody knows
// Y_k = g2^s_k. A partial signature is H(m)^s_k; any 2f+1 of different members combine to H(m)^sk, which
// is the same whoever signed. Only the combined signature is verified, by one pairing equation; when it
// does not hold, the partial signatures are verified in groups to find those that are wrong.
//
// A wrong partial signature is its author's fault: it stands in a block that the author signed. A right one
// proves nothing about its author, since 2f+1 of them give those of all others: for that there are the blocks.
//
// Secrets meet only constant-time operations (circl); all else is gnark-crypto's, which is faster. Of
// gnark-crypto's pairings with a fixed argument none is used: they overwrite their table.
//
// All functions are pure and deterministic; all types are immutable and safe for concurrent use.
package certify
