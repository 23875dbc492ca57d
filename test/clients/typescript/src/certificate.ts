// A verifier of Dunlin's certificates that shares no code with Dunlin, after docs/certificates.md.
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { big, bytesToHex, concatBytes, digest, hexToBytes, utf8ToBytes } from "./bytes.ts";
import { readHeader } from "./proof.ts";

/** The answer to GET /v1/commits/{index}/certificate. */
export interface Certified {
  certificate: { network_id: string; commit: number; digest: string; epoch: number; signature: string };
  headers: string[]; // from the commit that was asked for up to the signed one
}

const plain = (hex: string) => hexToBytes(hex.replace(/^0x/, ""));

/** verifyCertificate throws unless the committee's key signed the commit and the headers lead to it; it returns the digests that are proven by it, by commit. */
export function verifyCertificate(c: Certified, networkID: string, key: Uint8Array): Map<bigint, string> {
  const { certificate: signed } = c;
  if (signed.network_id !== networkID) throw new Error("certificate of another network");
  const parts = [utf8ToBytes("DUNLIN-FIN"), hexToBytes(networkID), big(signed.epoch, 8), big(signed.commit, 8), plain(signed.digest)];
  const message = sha256(concatBytes(...parts.flatMap((p) => [big(p.length, 4), p])));
  const scheme = bls12_381.shortSignatures;
  if (!scheme.verify(scheme.Signature.fromBytes(plain(signed.signature)), scheme.hash(message), key)) {
    throw new Error(`the committee did not sign commit ${signed.commit}`);
  }
  const proven = new Map<bigint, string>();
  let above: { index: bigint; previous: string } | undefined;
  for (const raw of c.headers.map(plain).reverse()) {
    const { index } = readHeader(raw);
    const own = bytesToHex(digest("dunlin/commit/2", raw));
    const expected = above ? [above.index - 1n, above.previous] : [BigInt(signed.commit), bytesToHex(plain(signed.digest))];
    if (index !== expected[0] || own !== expected[1]) throw new Error(`the header of commit ${index} does not lead to the signed one`);
    proven.set(index, own);
    above = { index, previous: bytesToHex(raw.subarray(24, 56)) };
  }
  return proven;
}
