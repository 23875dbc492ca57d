// Package seal hides transactions until their order is fixed: threshold ElGamal with the validity
// proof of TDH2 (Shoup and Gennaro) on ristretto255.
//
// A user seals a message to the committee's Key. Everyone checks the ciphertext in public (Verify)
// before it is ordered. Once a commit is fixed, each validator releases one Share for all ciphertexts
// of that commit, its Batch. Any t shares open the batch (Combiner). The Opening of a ciphertext then
// lets anyone check and decrypt it without the committee (Key.Open).
//
// The committee has n validators, f = (n-1)/3 of whom may be faulty, t = 2f+1. The secret is shared
// with a polynomial of degree 2f, so 2f validators together learn nothing and t learn all.
//
// # What is promised
//
// Under DDH in ristretto255 and with hashes as random oracles, an attacker who chose 2f validators
// to corrupt before the key was made, who may have any other ciphertext opened, learns nothing of a
// sealed message but its size in steps of BucketSize until an honest validator releases a share for it.
// Nobody can submit a ciphertext again under other associated data, nor turn it into a related one:
// the proof of knowledge covers the associated data, the network, the key and the payload, and is
// checked before anything is opened. Correctness does not rest on these assumptions about senders: a
// sender may make ciphertexts as it likes, and still all nodes come to one verdict.
//
// # What must never happen
//
//   - A share is released for a commit that is not fixed locally, or for two batches of one commit.
//     The caller keeps this; the batch id, which every share is bound to, makes a breach visible.
//   - A ciphertext is opened that did not pass Verify. Batch takes only the type that Verify returns.
//   - Two nodes open one ciphertext to different messages, or one opens it and another says Invalid.
//     ChaCha20-Poly1305 does not commit to its key, so the combined key is proven right by encrypting
//     again before a message is believed; a failure is believed only from t verified shares.
//   - The running time depends on a secret. Secrets (the shares, the sender's r and s) go through
//     constant-time multiplication only; what is variable in time sees public values.
//   - Outside bytes make a function panic, allocate or run without bound: see the limits.
package seal
