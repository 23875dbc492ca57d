// The network that the tests run against, as the file network.json of a devnet describes it.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

export interface Network {
  network_id: string; // hex
  nodes: { name: string; api: string; p2p: string }[];
}

export interface Genesis {
  validators: { name: string; identity: string }[];
  namespaces: { id: number; name: string; scheme: string; chain_id: number }[];
}

const file = process.env.DUNLIN_NETWORK;
if (!file) throw new Error("DUNLIN_NETWORK must name the network.json of a running devnet: `make clients` does that");

export const network: Network = JSON.parse(readFileSync(file, "utf8"));
export const genesis: Genesis = JSON.parse(readFileSync(join(dirname(file), "genesis.json"), "utf8"));

/** until waits for what holds, and fails after a generous time. */
export async function until<T>(what: string, holds: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const end = Date.now() + 60_000;
  for (;;) {
    const found = await holds();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`not within a minute: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** json asks a REST method and expects success. */
export async function json(url: string, init?: RequestInit): Promise<any> {
  const response = await fetch(url, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}
