// A tour of the client on a real etcd. Each step prints what it does; the requests are on stderr, as curl lines.
import assert from "node:assert/strict";
import { Client, enableCurlDebug, EtcdError, isCompareFailed, isKeyNotFound, KeysAPI } from "etcd2";

enableCurlDebug();

const endpoints = (process.env["ETCD_ENDPOINTS"] ?? "http://127.0.0.1:2379").split(",");
await using client = new Client({ endpoints });
const keys = new KeysAPI(client);
const dir = `/quickstart-${String(process.pid)}`;

heading(`Meet etcd at ${endpoints.join(" and ")}`);
const { server } = await client.version();
console.log(`It is etcd ${server}.`);

heading("Set a key");
const { node: greeting } = await keys.set(`${dir}/greeting`, "hello");
console.log(`${greeting.key} is "${greeting.value}" since index ${String(greeting.modifiedIndex)}.`);

heading("Get it");
const read = await keys.get(`${dir}/greeting`);
console.log(`${read.node.key} is "${read.node.value}".`);
assert.equal(read.node.value, "hello");

heading("Replace it only if nobody else did: compare-and-swap");
const swapped = await keys.set(`${dir}/greeting`, "hello, world", { prevValue: "hello" });
console.log(`${swapped.action}: "${String(swapped.prevNode?.value)}" became "${swapped.node.value}".`);

heading("The same again: now the comparison fails");
await keys
  .set(`${dir}/greeting`, "too late", { prevIndex: greeting.modifiedIndex })
  .then(unexpected, (error: unknown) => {
    if (!(error instanceof EtcdError) || !isCompareFailed(error)) throw error;
    console.log(
      `${error.name} ${error.code}, errorCode ${String(error.errorCode)}, isCompareFailed(error) is true:\n${error.message}`,
    );
  });

heading("List a directory");
await keys.set(`${dir}/colours/red`, "#f00");
await keys.set(`${dir}/colours/blue`, "#00f");
const { node: colours } = await keys.get(`${dir}/colours`, { sort: true });
for (const { key, value } of colours.nodes) console.log(`${key} is ${value}`);
assert.deepEqual(
  colours.nodes.map(({ value }) => value),
  ["#00f", "#f00"],
);

heading("Watch a key: an update, then its expiry");
const session = await keys.set(`${dir}/session`, "alice");
const watcher = keys.watcher(`${dir}/session`, { afterIndex: session.node.modifiedIndex });
await keys.update(`${dir}/session`, "bob", { ttl: 1 });
console.log(
  `The watcher begins after index ${String(session.node.modifiedIndex)}: it misses nothing, however late it starts.`,
);
for await (const { action, node, prevNode } of watcher.events(AbortSignal.timeout(30_000))) {
  console.log(`${action}: "${String(prevNode?.value)}" became ${action === "expire" ? "nothing" : `"${node.value}"`}.`);
  if (action === "expire") break;
  assert.equal(node.value, "bob");
}

heading("Delete everything, and see it gone");
await keys.delete(dir, { recursive: true });
await keys.get(`${dir}/greeting`).then(unexpected, (error: unknown) => {
  if (!isKeyNotFound(error)) throw error;
  console.log(`isKeyNotFound(error) is true: ${String(error)}`);
});

heading("Close the client");
await client.close();
console.log("That was all. Each curl line above repeats its request while this etcd runs.");

function heading(text: string): void {
  console.log(`\n== ${text}`);
}

function unexpected(): never {
  throw new Error("this should have failed");
}
