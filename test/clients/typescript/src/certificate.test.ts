// Certificates of a live node, and the example of the documentation, checked by BLS12-381 of another house.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { hexToBytes } from "./bytes.ts";
import { type Certified, verifyCertificate } from "./certificate.ts";
import { genesis, json, network, until } from "./network.ts";
import { type Document, verifyDocument } from "./proof.ts";

test("the documented example", () => {
  const text = readFileSync(new URL("../../../../docs/certificates.md", import.meta.url), "utf8");
  const example: Certified = JSON.parse(/```json\n(.*)\n```/.exec(text)![1]);
  const key = hexToBytes(/```\n([0-9a-f]{192})\n```/.exec(text)![1]);
  const proven = verifyCertificate(example, example.certificate.network_id, key);
  assert.equal(proven.size, example.headers.length);
  const other = structuredClone(example);
  other.certificate.commit++;
  assert.throws(() => verifyCertificate(other, other.certificate.network_id, key), /did not sign/);
  const torn = structuredClone(example);
  torn.headers[0] = torn.headers[0].replace(/..$/, "01");
  assert.throws(() => verifyCertificate(torn, torn.certificate.network_id, key), /does not lead/);
});

test("a live node's certificate proves the header that a proof stands under", async () => {
  const [a, b] = [network.nodes[2].api, network.nodes[3].api];
  const update = await json(`${b}/v1/light-update?from_epoch=0`);
  const key = hexToBytes(String(update.keys[0].key).replace(/^0x/, ""));
  const open = genesis.namespaces.find((n) => n.scheme === "open")!;
  const submitted = await json(`${a}/v1/submit`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ namespace: open.name, payloads: [`0x${Date.now().toString(16).padStart(16, "0")}`], wait: "committed" }),
  });
  const certified: Certified = await until("a certificate", async () => {
    const response = await fetch(`${a}/v1/commits/${submitted.commit}/certificate`);
    return response.ok ? response.json() : undefined;
  });
  const proven = verifyCertificate(certified, network.network_id, key);
  const place: Document = await json(`${b}/v1/transactions/${submitted.tx_id}/proof`);
  assert.equal(verifyDocument(place).digest, proven.get(BigInt(submitted.commit)));
});
