// js-libp2p with GossipSub joins the mesh: it follows the blocks of all validators and submits by gossip.
import "./polyfill.ts";
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { noise } from "@chainsafe/libp2p-noise";
import { yamux } from "@chainsafe/libp2p-yamux";
import { gossipsub } from "@libp2p/gossipsub";
import { identify } from "@libp2p/identify";
import { tcp } from "@libp2p/tcp";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { type Block, openTransaction, readBlock, transactionID } from "./block.ts";
import { big, bytesToHex, concatBytes, digest, utf8ToBytes } from "./bytes.ts";
import { genesis, json, network, until } from "./network.ts";

const prefix = `/dunlin/${network.network_id.slice(0, 8)}`;
const topics = { blocks: `${prefix}/blocks/1`, transactions: `${prefix}/transactions/1` };
const identities = genesis.validators.map((v) => v.identity);

const create = () =>
  createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      pubsub: gossipsub({
        globalSignaturePolicy: "StrictNoSign", // blocks and transactions carry signatures of their own
        msgIdFn: (m) => digest("dunlin/gossip/1", utf8ToBytes(m.topic), m.data), // as all of the mesh count messages
        allowPublishToZeroTopicPeers: true,
        floodPublish: true,
      }),
    },
  });

let node: Awaited<ReturnType<typeof create>>;
const blocks: Block[] = [];
const wrong: unknown[] = [];

before(async () => {
  node = await create();
  node.services.pubsub.addEventListener("message", ({ detail }) => {
    if (detail.topic !== topics.blocks) return;
    try {
      blocks.push(readBlock(detail.data, network.network_id, identities));
    } catch (e) {
      wrong.push(e);
    }
  });
  node.services.pubsub.subscribe(topics.blocks);
  node.services.pubsub.subscribe(topics.transactions);
  for (const n of network.nodes) await node.dial(multiaddr(n.p2p));
});

after(() => node.stop());

test("blocks of every validator arrive, signed, of growing rounds", async () => {
  await until("blocks of every validator", () => new Set(blocks.map((b) => b.author)).size === identities.length);
  await until("fifty blocks", () => blocks.length >= 50);
  assert.deepEqual(wrong, []);
  for (const b of blocks) {
    assert.equal(b.parents[0].author, b.author);
    assert.ok(b.parents.every((p) => p.round < b.round));
  }
});

test("a transaction that is gossiped is ordered once", async () => {
  const open = genesis.namespaces.find((n) => n.scheme === "open")!;
  const info = await json(`${network.nodes[0].api}/v1/info`);
  const head = BigInt(info.watermarks.committed);
  const payload = concatBytes(utf8ToBytes("from js-libp2p "), big(Date.now(), 8));
  const item = openTransaction(BigInt(open.id), head + 2000n, payload);
  const id = transactionID(network.network_id, item);
  await until("subscriptions of all validators", () => node.services.pubsub.getSubscribers(topics.transactions).length >= identities.length);
  await node.services.pubsub.publish(topics.transactions, item);
  for (const n of network.nodes) {
    const status = await until(`commit at ${n.name}`, async () => {
      const s = await json(`${n.api}/v1/transactions/${id}`);
      return s.state === "COMMITTED" ? s : undefined;
    });
    assert.ok(Number(status.commit) > 0);
  }
  await until("the block that holds it, by gossip", () => blocks.some((b) => b.items.some((i) => bytesToHex(i) === bytesToHex(item))));
});

test("the mesh keeps the connection", async () => {
  const before = blocks.length;
  await until("thirty more blocks", () => blocks.length >= before + 30);
  assert.equal(node.getPeers().length, network.nodes.length);
});
