// Package dkg holds the steps of a distributed key generation on ristretto255 (Feldman and Pedersen's
// joint scheme, plain Shamir at 0, degree 2f): make a deal, check one, open the own share of it,
// complain about a bad share, judge a complaint, add the qualified deals up to a key.
//
// Nobody ever holds the secret sk. Each dealer i shares a random polynomial S_i of degree 2f; the key
// is the sum of the qualified polynomials: h = g^S(0), member k holds s_k = S(k), everybody knows
// Y_k = g^S(k), and any 2f+1 shares act as sk. One dealer that keeps its polynomial to itself is enough
// to keep sk unknown to any 2f members.
//
// Which deals qualify is no matter of this package: package keygen derives it from the committed log.
//
// Members are counted from 0, as the committee counts them; member k holds the value at k+1.
//
// What must hold, and where:
//
//   - A deal derives from the dealer's KEM secret and the run alone. A dealer that makes it again after
//     a crash makes the same bytes, so that it never shows two.
//   - A complaint opens a Diffie-Hellman point of dealer and accuser. The dealer's proof that it knows
//     the ephemeral secret, bound to dealer and run, is what keeps a cheating dealer from re-using an
//     honest dealer's ephemeral key, provoking complaints, and so learning the honest dealer's shares.
//   - The AEAD does not commit to its key, and need not: the DLEQ proof fixes the one point from which
//     the key of a complaint derives, so every node opens the same ciphertext with the same key.
//   - Secrets (polynomials, KEM secrets, shares) meet only constant-time operations; the vartime ones
//     work on what stands in the log.
//
// All functions are pure and deterministic. A Run and a Deal are immutable and safe for concurrent use.
package dkg
