// Wallets' libraries send through the JSON-RPC of a namespace, unchanged.
import assert from "node:assert/strict";
import { test } from "node:test";
import { keccak256 as ethersKeccak256, JsonRpcProvider, Wallet } from "ethers";
import { createPublicClient, createWalletClient, defineChain, http, keccak256 } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { openTransaction, transactionID } from "./block.ts";
import { hexToBytes } from "./bytes.ts";
import { genesis, json, network, until } from "./network.ts";

const rule = genesis.namespaces.find((n) => n.scheme === "ethereum")!;
const api = network.nodes[0].api;
const rpc = `${api}/rpc/${rule.id}`;

/** ordered waits until a signed transaction has its place at every node: its id is that of its bytes. */
async function ordered(signed: string) {
  const id = transactionID(network.network_id, openTransaction(BigInt(rule.id), 0n, hexToBytes(signed.slice(2))));
  for (const n of network.nodes) {
    const status = await until(`commit of ${id} at ${n.name}`, async () => {
      const s = await json(`${n.api}/v1/transactions/${id}`);
      return s.state === "COMMITTED" ? s : undefined;
    });
    assert.ok(Number(status.commit) > 0);
  }
}

test("viem: chain id, and a signed transaction twice", async () => {
  const chain = defineChain({ id: rule.chain_id, name: rule.name, nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 }, rpcUrls: { default: { http: [rpc] } } });
  const client = createPublicClient({ chain, transport: http() });
  assert.equal(await client.getChainId(), rule.chain_id);
  const account = privateKeyToAccount(generatePrivateKey());
  const wallet = createWalletClient({ account, chain, transport: http() });
  const signed = await account.signTransaction({ chainId: rule.chain_id, type: "eip1559", to: account.address, value: 1n, nonce: 0, gas: 21000n, maxFeePerGas: 1n, maxPriorityFeePerGas: 0n });
  const hash = await wallet.sendRawTransaction({ serializedTransaction: signed });
  assert.equal(hash, keccak256(signed));
  assert.equal(await wallet.sendRawTransaction({ serializedTransaction: signed }), hash);
  await ordered(signed);
});

test("ethers: a signed transaction", async () => {
  const provider = new JsonRpcProvider(rpc, rule.chain_id, { staticNetwork: true });
  const wallet = Wallet.createRandom();
  const signed = await wallet.signTransaction({ chainId: rule.chain_id, type: 2, to: wallet.address, value: 1n, nonce: 0, gasLimit: 21000n, maxFeePerGas: 1n, maxPriorityFeePerGas: 0n });
  assert.equal(await provider.send("eth_sendRawTransaction", [signed]), ethersKeccak256(signed));
  await ordered(signed);
  provider.destroy();
});

test("what needs an execution client is refused in words", async () => {
  const client = createPublicClient({ transport: http(rpc) });
  await assert.rejects(client.getBalance({ address: "0x0000000000000000000000000000000000000000" }), /execution|not supported|rollup/i);
});
