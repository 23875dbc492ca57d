// A verifier of Dunlin's proofs that shares no code with Dunlin, after docs/proofs.md: it checks the documents that
// GET /v1/transactions/ID/proof and GET /v1/namespaces/NAMESPACE/proof serve, against the header that they carry.
import { sha256 } from "@noble/hashes/sha2.js";
import { Reader, big, bytesToHex, concatBytes, digest, equal, hexToBytes } from "./bytes.ts";

export interface Document {
  network_id: string;
  commit: number;
  digest: string;
  header: string;
  item?: { index: number; tx_id: string; path: string[]; outline?: string };
  namespaces?: { namespace: number; leaves: { index: number; leg: number; tx_id: string }[]; start: number; path: string[]; beside?: string }[];
  chains?: { namespace: number; heads: number; places: { place: number; namespace: number; hash: string; path: string[] }[] }[];
}

interface Header {
  index: bigint;
  epoch: bigint;
  orderRoot: Uint8Array;
  namespaceRoot: Uint8Array;
  chainRoot: Uint8Array;
  items: number;
  legs: number;
}

function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`proof does not hold: ${what}`);
}

/** readHeader reads the 248 bytes that a commit's digest covers. */
export function readHeader(raw: Uint8Array): Header {
  must(raw.length === 248, `header of ${raw.length} bytes`);
  const r = new Reader(raw);
  const index = r.number(8);
  const epoch = r.number(8);
  r.take(8 + 32 + 8 + 32); // round, previous, time, DAG root
  const orderRoot = r.take(32);
  const namespaceRoot = r.take(48);
  const chainRoot = r.take(32);
  r.take(32); // state
  return { index, epoch, orderRoot, namespaceRoot, chainRoot, items: Number(r.number(4)), legs: Number(r.number(4)) };
}

/** verifyDocument throws unless everything that the document shows stands under its header; it returns the header's digest. */
export function verifyDocument(d: Document): { header: Header; digest: string } {
  const raw = hexToBytes(d.header);
  const header = readHeader(raw);
  const own = bytesToHex(digest("dunlin/commit/2", raw));
  must(own === d.digest && header.index === BigInt(d.commit), "the header is of another commit");
  must(Boolean(d.item || d.namespaces?.length || d.chains?.length), "it shows nothing");
  if (d.item) verifyItem(d.network_id, header, d.item);
  for (const section of d.namespaces ?? []) verifyNamespace(header, section);
  for (const section of d.chains ?? []) verifyChain(header, section);
  return { header, digest: own };
}

function verifyItem(network: string, header: Header, item: NonNullable<Document["item"]>): void {
  const id = hexToBytes(item.tx_id);
  if (item.outline) must(equal(outlineID(network, hexToBytes(item.outline)), id), "the outline is of another item");
  let node = digest("dunlin/merkle-leaf/1", id);
  let [at, last] = [item.index, header.items - 1];
  must(at >= 0 && at <= last, "there is no such place");
  for (const sibling of item.path.map(hexToBytes)) {
    while (at === last && at % 2 === 0 && last > 0) [at, last] = [at >> 1, last >> 1]; // no sibling here
    must(last > 0, "the path is too long");
    node = at % 2 === 1 ? digest("dunlin/merkle-node/1", sibling, node) : digest("dunlin/merkle-node/1", node, sibling);
    [at, last] = [at >> 1, last >> 1];
  }
  while (at === last && at % 2 === 0 && last > 0) [at, last] = [at >> 1, last >> 1];
  must(last === 0 && equal(node, header.orderRoot), "the item does not stand there");
}

/** outlineID is the id of a bundle (kind 2) or sealed item (kind 3) by its outline. */
function outlineID(network: string, outline: Uint8Array): Uint8Array {
  const kind = outline[0];
  const signed = kind === 2 ? outline[10] === 1 : true;
  must(kind === 2 || kind === 3, `outline of kind ${kind}`);
  const parts = signed ? [outline] : [outline.subarray(0, 1), outline.subarray(9)];
  return digest("dunlin/tx/1", hexToBytes(network), ...parts);
}

// The namespaced Merkle tree: a node is lowest namespace 8, highest namespace 8, SHA-256.
const low = (node: Uint8Array) => new Reader(node).number(8);
const high = (node: Uint8Array) => new Reader(node.subarray(8)).number(8);

function join(left: Uint8Array, right: Uint8Array): Uint8Array {
  return concatBytes(left.subarray(0, 8), right.subarray(8, 16), sha256(concatBytes(big(1, 1), left, right)));
}

function verifyNamespace(header: Header, section: NonNullable<Document["namespaces"]>[number]): void {
  const ns = BigInt(section.namespace);
  const what = `all of namespace ${ns} in commit ${header.index}`;
  section.leaves.forEach((leaf, i) => {
    const before = section.leaves[i - 1];
    must(leaf.index < header.items && (!before || before.index < leaf.index || (before.index === leaf.index && before.leg < leaf.leg)), what);
  });
  let leaves = section.leaves.map((l) => {
    const data = concatBytes(big(l.index, 4), big(l.leg, 1), hexToBytes(l.tx_id));
    return concatBytes(big(ns, 8), big(ns, 8), sha256(concatBytes(big(0, 1), big(ns, 8), data)));
  });
  const path = section.path.map(hexToBytes);
  let [start, end] = [section.start, section.start + leaves.length];
  if (leaves.length === 0) {
    if (!section.beside) {
      const root = header.namespaceRoot;
      const empty = header.legs === 0 && equal(root, concatBytes(new Uint8Array(16), sha256(new Uint8Array())));
      must(path.length === 0 && start === 0 && (empty || (header.legs > 0 && (ns < low(root) || ns > high(root)))), what);
      return;
    }
    leaves = [hexToBytes(section.beside)];
    end = start + 1;
    must(low(leaves[0]) > ns && low(leaves[0]) === high(leaves[0]), what);
  } else {
    must(!section.beside, what);
  }
  must(start >= 0 && end <= header.legs, what);
  const node = (at: number, n: number): Uint8Array => {
    if (at >= end || at + n <= start) {
      const beside = path.shift();
      must(beside !== undefined && beside.length === 48 && (at < start ? high(beside) < ns : low(beside) > ns), what);
      return beside;
    }
    if (n === 1) return leaves.shift()!;
    let k = 1;
    while (k * 2 < n) k *= 2;
    const left = node(at, k);
    const right = node(at + k, n - k);
    must(high(left) <= low(right), what);
    return join(left, right);
  };
  must(equal(node(0, header.legs), header.namespaceRoot) && path.length === 0, what);
}

function verifyChain(header: Header, section: NonNullable<Document["chains"]>[number]): void {
  const ns = BigInt(section.namespace);
  const what = `the chain of namespace ${ns} behind commit ${header.index}`;
  const chain = (...parts: Uint8Array[]) => digest("dunlin/chain-heads/1", ...parts);
  for (const p of section.places) {
    must(p.place >= 0 && p.place < section.heads && p.path.length === Math.ceil(Math.log2(section.heads)), what);
    let node = chain(big(p.namespace, 8), hexToBytes(p.hash));
    let at = p.place;
    for (const sibling of p.path.map(hexToBytes)) {
      node = at % 2 === 1 ? chain(sibling, node) : chain(node, sibling);
      at >>= 1;
    }
    must(equal(chain(big(section.heads, 4), node), header.chainRoot), what);
  }
  const [first, second] = section.places;
  if (section.places.length === 1 && BigInt(first.namespace) === ns) return;
  const absent =
    section.places.length === 0
      ? section.heads === 0 && equal(chain(big(0, 4), new Uint8Array(32)), header.chainRoot)
      : section.places.length === 1
        ? (first.place === 0 && ns < BigInt(first.namespace)) || (first.place === section.heads - 1 && ns > BigInt(first.namespace))
        : section.places.length === 2 && first.place + 1 === second.place && BigInt(first.namespace) < ns && ns < BigInt(second.namespace);
  must(absent, what);
}
