// Blocks of the DAG, read and checked without any code of Dunlin's.
import { ed25519 } from "@noble/curves/ed25519.js";
import { Reader, big, bytesToHex, concatBytes, digest, equal, hexToBytes, utf8ToBytes } from "./bytes.ts";

export interface Block {
  round: bigint;
  author: number;
  lastCommit: bigint;
  parents: { round: bigint; author: number }[];
  items: Uint8Array[];
  digest: string; // hex
}

/** readBlock reads a block of a network and checks its author's signature; it throws if anything is wrong. */
export function readBlock(raw: Uint8Array, networkID: string, identities: string[]): Block {
  const unsigned = raw.subarray(0, raw.length - 64);
  const r = new Reader(unsigned);
  r.number(2); // the protocol's version
  if (!equal(r.take(32), hexToBytes(networkID))) throw new Error("block of another network");
  r.number(8); // epoch
  const round = r.number(8);
  const author = Number(r.number(2));
  r.number(8); // the author's clock
  const lastCommit = r.number(8);
  r.take(32);
  const parents = list(r, 2, () => {
    const parent = { round: r.number(8), author: Number(r.number(2)) };
    r.take(32);
    return parent;
  });
  list(r, 2, () => [r.number(1), r.take(Number(r.number(4)))]); // system messages
  const items = list(r, 4, () => r.take(Number(r.number(4))));
  if (r.left !== 0) throw new Error("bytes after the last item");
  const id = digest("dunlin/block/1", unsigned);
  const signed = concatBytes(utf8ToBytes("dunlin/block/1"), big(0, 1), id);
  if (author >= identities.length) throw new Error(`author ${author} of ${identities.length}`);
  if (!ed25519.verify(raw.subarray(raw.length - 64), signed, hexToBytes(identities[author]), { zip215: true })) {
    throw new Error(`signature is not of author ${author}`);
  }
  return { round, author, lastCommit, parents, items, digest: bytesToHex(id) };
}

function list<T>(r: Reader, prefix: number, read: () => T): T[] {
  return Array.from({ length: Number(r.number(prefix)) }, read);
}

/** openTransaction is the item of an unsigned transaction; valid until is the last commit that may hold it. */
export function openTransaction(namespace: bigint, validUntil: bigint, payload: Uint8Array): Uint8Array {
  return concatBytes(big(1, 1), big(validUntil, 8), big(namespace, 8), big(0, 1), payload);
}

/** transactionID is the id of an unsigned transaction, which its validity is no part of. */
export function transactionID(networkID: string, item: Uint8Array): string {
  return bytesToHex(digest("dunlin/tx/1", hexToBytes(networkID), item.subarray(0, 1), item.subarray(9)));
}
