// Digests and byte strings as Dunlin makes them: SHA-256 over a domain and parts, each with its length before it.
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";

export { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";

/** big is an unsigned integer of so many bytes, the highest first. */
export function big(value: bigint | number, bytes: number): Uint8Array {
  const out = new Uint8Array(bytes);
  let rest = BigInt(value);
  for (let i = bytes - 1; i >= 0; i--) {
    out[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  if (rest !== 0n) throw new Error(`${value} does not fit ${bytes} bytes`);
  return out;
}

/** digest is H(domain, parts...). */
export function digest(domain: string, ...parts: Uint8Array[]): Uint8Array {
  return sha256(concatBytes(...[utf8ToBytes(domain), ...parts].flatMap((part) => [big(part.length, 4), part])));
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Reader takes fixed parts off the front of a byte string and throws where they are missing. */
export class Reader {
  private at = 0;
  constructor(private readonly bytes: Uint8Array) {}

  take(n: number): Uint8Array {
    if (this.at + n > this.bytes.length) throw new Error(`cut short at byte ${this.at}`);
    return this.bytes.subarray(this.at, (this.at += n));
  }

  number(n: number): bigint {
    return this.take(n).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }
}
