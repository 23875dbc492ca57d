// Proofs of a live node, and those of the test vectors, hold or not by a verifier of another house.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Document, verifyDocument } from "./proof.ts";
import { genesis, json, network } from "./network.ts";

test("the vectors", () => {
  const vectors: { name: string; valid: boolean; document: Document }[] = JSON.parse(
    readFileSync(new URL("../../../../rollupapi/proof/testdata/vectors.json", import.meta.url), "utf8"),
  );
  assert.ok(vectors.length > 50);
  for (const v of vectors) {
    const check = () => verifyDocument(v.document);
    v.valid ? assert.doesNotThrow(check, v.name) : assert.throws(check, /./, v.name);
  }
});

test("proofs of a live node: a transaction, a bundle with its sibling, all of a namespace, nothing of another", async () => {
  const [a, b] = [network.nodes[0].api, network.nodes[1].api];
  const open = genesis.namespaces.find((n) => n.scheme === "open")!;
  const submitted = await json(`${a}/v1/submit`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ namespace: open.name, payloads: [`0x${Date.now().toString(16).padStart(16, "0")}`], wait: "committed" }),
  });
  const { tx_id: id, commit } = submitted;
  const place: Document = await json(`${b}/v1/transactions/${id}/proof`);
  assert.equal(verifyDocument(place).digest, place.digest);
  assert.equal(place.item!.tx_id, id);
  const all: Document = await json(`${b}/v1/namespaces/${open.name}/proof?commit=${commit}`);
  verifyDocument(all);
  assert.equal(all.digest, place.digest, "two nodes, one header");
  assert.ok(all.namespaces![0].leaves.some((l) => l.tx_id === id));
  const left = structuredClone(all);
  left.namespaces![0].leaves = left.namespaces![0].leaves.filter((l) => l.tx_id !== id);
  assert.throws(() => verifyDocument(left), /proof does not hold/);
  const quiet = genesis.namespaces.find((n) => n.scheme === "ed25519")!;
  const none: Document = await json(`${a}/v1/namespaces/${quiet.name}/proof?commit=${commit}`);
  verifyDocument(none);
  assert.deepEqual(none.namespaces![0].leaves, []);
});
