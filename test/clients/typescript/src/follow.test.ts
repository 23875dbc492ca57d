// The generated client follows a namespace over Connect and goes on at another node from the same cursor.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { Ingress } from "./gen/dunlin/v1/ingress_pb.ts";
import { Read } from "./gen/dunlin/v1/read_pb.ts";
import { Wait } from "./gen/dunlin/v1/types_pb.ts";
import { bytesToHex, utf8ToBytes } from "./bytes.ts";
import { genesis, network } from "./network.ts";

const open = BigInt(genesis.namespaces.find((n) => n.scheme === "open")!.id);

/** take reads so many items of the namespace from a cursor on. */
async function take(api: string, cursor: string, count: number) {
  const read = createClient(Read, createGrpcTransport({ baseUrl: api }));
  const end = new AbortController();
  const out: { id: string; payload: string; cursor: string }[] = [];
  try {
    for await (const event of read.stream({ namespaces: [open], cursor }, { signal: end.signal })) {
      if (event.event.case !== "items") continue;
      for (const item of event.event.value.items) {
        out.push({ id: bytesToHex(item.txId), payload: new TextDecoder().decode(item.payload), cursor: item.cursor });
        if (out.length === count) return out;
      }
    }
  } finally {
    end.abort();
  }
  throw new Error("the stream ended");
}

test("submit over Connect, follow over gRPC, move to another node in the middle", async () => {
  const ingress = createClient(Ingress, createConnectTransport({ baseUrl: network.nodes[0].api, httpVersion: "1.1" }));
  const read = createClient(Read, createConnectTransport({ baseUrl: network.nodes[0].api, httpVersion: "1.1" }));
  const { nextCursor } = await read.range({ namespaces: [open], cursor: "tip" });
  const payloads = Array.from({ length: 20 }, (_, i) => `typescript ${Date.now()} ${i}`);
  const answer = await ingress.submit({ namespace: open, payloads: payloads.map(utf8ToBytes), wait: Wait.COMMITTED });
  const submitted = answer.items.map((i) => bytesToHex(i.txId));
  const all = await take(network.nodes[1].api, nextCursor, payloads.length);
  assert.deepEqual(all.map((i) => i.id).sort(), submitted.sort());
  assert.deepEqual(all.map((i) => i.payload), payloads);
  for (const at of [0, 7, 18]) {
    const rest = await take(network.nodes[(at % 3) + 1].api, all[at].cursor, payloads.length - at - 1);
    assert.deepEqual(rest, all.slice(at + 1));
  }
});
