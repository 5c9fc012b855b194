import assert from "node:assert/strict";
import test from "node:test";
import {
  Client,
  ClusterError,
  compareNodes,
  EndpointError,
  EtcdError,
  isCompareFailed,
  isKeyNotFound,
  isNodeExist,
  KeysAPI,
} from "../src/core/index.js";
import { clusterForTests } from "./support.js";

const cluster = clusterForTests("keys");

test("keys: actions, nodes and codes of set, get, update, compare-and-swap and compare-and-delete (A120)", async () => {
  const { keys, dir } = cluster;
  const key = `${dir}/a120`;

  const made = await keys.set(key, "1");
  assert.equal(made.action, "set");
  assert.equal(made.prevNode, undefined);
  assert.deepEqual(
    { ...made.node },
    {
      key,
      value: "1",
      dir: false,
      nodes: [],
      createdIndex: made.node.modifiedIndex,
      modifiedIndex: made.node.modifiedIndex,
    },
  );
  assert.ok(made.index >= made.node.modifiedIndex);
  assert.match(made.clusterId, /^[0-9a-f]+$/);

  const replaced = await keys.set(key, "2");
  assert.equal(replaced.action, "set");
  assert.equal(replaced.prevNode?.value, "1");
  assert.ok(replaced.node.createdIndex > made.node.createdIndex);

  const read = await keys.get(key);
  assert.equal(read.action, "get");
  assert.deepEqual(read.node, replaced.node);
  assert.equal(read.prevNode, undefined);

  const updated = await keys.update(key, "3");
  assert.equal(updated.action, "update");
  assert.equal(updated.node.createdIndex, replaced.node.createdIndex);

  const swapped = await keys.set(key, "4", { prevValue: "3" });
  assert.equal(swapped.action, "compareAndSwap");
  assert.equal(swapped.prevNode?.value, "3");
  const swappedByIndex = await keys.set(key, "5", { prevIndex: swapped.node.modifiedIndex });
  assert.equal(swappedByIndex.action, "compareAndSwap");

  await assert.rejects(keys.set(key, "6", { prevValue: "stale" }), refusal(412, 101, isCompareFailed));
  await assert.rejects(
    keys.set(key, "6", { prevIndex: swapped.node.modifiedIndex }),
    refusal(412, 101, isCompareFailed),
  );
  await assert.rejects(keys.delete(key, { prevValue: "stale" }), refusal(412, 101, isCompareFailed));
  assert.equal((await keys.get(key)).node.value, "5");

  const gone = await keys.delete(key, { prevValue: "5" });
  assert.equal(gone.action, "compareAndDelete");
  assert.equal(gone.node.value, "");
  assert.equal(gone.prevNode?.value, "5");

  await assert.rejects(keys.get(key), (error) => {
    refusal(404, 100, isKeyNotFound)(error);
    assert.ok(error instanceof EtcdError);
    assert.equal(error.serverCause, key);
    assert.ok(error.index >= gone.node.modifiedIndex);
    return true;
  });
  await assert.rejects(keys.update(key, "6"), refusal(404, 100, isKeyNotFound));
  await assert.rejects(keys.delete(key), refusal(404, 100, isKeyNotFound));
});

test("keys: create creates a key only once", async () => {
  const { keys, dir } = cluster;
  const key = `${dir}/create`;
  assert.equal((await keys.create(key, "1", { ttl: 60 })).action, "create");
  await assert.rejects(keys.create(key, "2"), refusal(412, 105, isNodeExist));
  const { node } = await keys.get(key);
  assert.equal(node.value, "1");
  assert.ok(node.ttl !== undefined && node.ttl > 0 && node.ttl <= 60);
  assert.ok(node.expiration !== undefined && node.expirationText?.endsWith("Z"));
});

test("keys: update without ttl makes a key permanent; refresh keeps value and createdIndex", async () => {
  const { keys, dir } = cluster;
  const key = `${dir}/refresh`;
  const made = await keys.set(key, "kept", { ttl: 60 });
  const refreshed = await keys.refresh(key, 600);
  assert.equal(refreshed.node.value, "kept");
  assert.equal(refreshed.node.createdIndex, made.node.createdIndex);
  assert.ok(Number(refreshed.node.ttl) > 60);
  assert.equal((await keys.update(key, "kept")).node.ttl, undefined);
  await assert.rejects(keys.refresh(`${dir}/nothing`, 600), refusal(404, 100, isKeyNotFound));
});

test("keys: a directory can be created only once (A121)", async () => {
  const { keys, dir } = cluster;
  const made = await keys.set(`${dir}/a121`, "", { dir: true });
  assert.equal(made.node.dir, true);
  assert.equal(made.node.value, "");
  await assert.rejects(keys.set(`${dir}/a121`, "", { dir: true }), refusal(403, 102));
  await assert.rejects(keys.set(`${dir}/a121`, "a value"), refusal(403, 102));
});

test("keys: a directory with keys in it is deleted only with recursive (A122)", async () => {
  const { keys, dir } = cluster;
  await keys.set(`${dir}/a122/x/y`, "1");
  await assert.rejects(keys.delete(`${dir}/a122`), refusal(403, 102));
  await assert.rejects(keys.delete(`${dir}/a122`, { dir: true }), refusal(403, 108));
  const { action, node } = await keys.delete(`${dir}/a122`, { recursive: true });
  assert.equal(action, "delete");
  assert.equal(node.dir, true);
  await assert.rejects(
    keys.get(`${dir}/a122/x/y`),
    (error) => error instanceof EtcdError && error.serverCause === `${dir}/a122`,
  );
  await keys.set(`${dir}/a122`, "", { dir: true });
  await keys.delete(`${dir}/a122`, { dir: true });
});

test("keys: createInOrder creates names of 20 digits that sort by age (A123)", async () => {
  const { keys, dir } = cluster;
  const queue = `${dir}/a123`;
  const made = [];
  for (const value of ["a", "b", "c"]) made.push((await keys.createInOrder(queue, value)).node);
  for (const { key, createdIndex } of made) assert.equal(key, `${queue}/${String(createdIndex).padStart(20, "0")}`);
  const { node } = await keys.get(queue, { sort: true });
  assert.deepEqual(
    node.nodes.map(({ value }) => value),
    ["a", "b", "c"],
  );
  assert.deepEqual(
    node.nodes.map(({ key }) => key),
    made.map(({ key }) => key),
  );
  await keys.set(`${dir}/file`, "");
  await assert.rejects(keys.createInOrder(`${dir}/file`, "x"), refusal(400, 104));
});

test("keys: a value of 1 MiB with non-BMP characters is read back unchanged (A127)", async () => {
  const { keys, dir } = cluster;
  const value = "😀aé\0".repeat(2 ** 17);
  assert.equal(Buffer.byteLength(value), 2 ** 20);
  await keys.set(`${dir}/a127`, value);
  assert.equal((await keys.get(`${dir}/a127`)).node.value, value);
});

test("keys: compare-and-swap with a prevValue of 20 kB works on a new connection (A128)", async () => {
  const { keys, dir, endpoints } = cluster;
  const old = "é?&".repeat(5_000);
  await keys.set(`${dir}/a128`, old);
  await using client = new Client({ endpoints });
  const swapped = await new KeysAPI(client).set(`${dir}/a128`, "new", { prevValue: old });
  assert.equal(swapped.action, "compareAndSwap");
  await assert.rejects(new KeysAPI(client).set(`${dir}/a128`, "newer", { prevValue: old }), (error) => {
    refusal(412, 101)(error);
    assert.ok(JSON.stringify(error).length < 1_000, "etcd's own error quotes both values");
    return true;
  });
});

test("keys: a key with spaces, non-ASCII letters, % and ? is returned unchanged (A129)", async () => {
  const { keys, dir } = cluster;
  const key = `${dir}/a b/é%/😀?`;
  assert.equal((await keys.set(key, "1")).node.key, key);
  assert.equal((await keys.get(key)).node.key, key);
  assert.equal((await keys.get(`${dir}/a b/é%`)).node.nodes[0]?.key, key);
});

test("keys: set with dir replaces a file, and with a condition empties it, as documented", async () => {
  const { keys, dir } = cluster;
  const key = `${dir}/traps`;
  await keys.set(key, "precious");
  const blanked = await keys.set(key, "", { dir: true, prevExist: true });
  assert.equal(blanked.action, "update");
  assert.equal(blanked.node.dir, false);
  assert.equal((await keys.get(key)).node.value, "");

  await keys.set(key, "precious");
  const replaced = await keys.set(key, "", { dir: true });
  assert.equal(replaced.node.dir, true);
  assert.equal(replaced.prevNode?.value, "precious");
});

test("keys: update and refresh with dir renew a directory's TTL; etcd 3.5 refuses both", async () => {
  const { keys, dir, client } = cluster;
  const key = `${dir}/dir-ttl`;
  const { server } = await client.version();
  await keys.set(key, "", { dir: true, ttl: 60 });
  const renewals = [() => keys.update(key, "", { dir: true, ttl: 600 }), () => keys.refresh(key, 600, { dir: true })];
  for (const renew of renewals) {
    if (/^3\.[0-4]\./.test(server)) assert.ok(Number((await renew()).node.ttl) > 60);
    else
      await assert.rejects(
        renew,
        (error) =>
          error instanceof ClusterError &&
          error.errors.every((each) => each instanceof EndpointError && each.errorCode === 300),
      );
  }
});

test("keys: a response to noValueOnSuccess has no node", async () => {
  const { keys, dir } = cluster;
  const done = await keys.set(`${dir}/quiet`, "1", { noValueOnSuccess: true });
  assert.equal(done.action, "set");
  assert.ok(done.index > 0);
  assert.ok(!("node" in done) && !("prevNode" in done));
  const { node } = await keys.get(`${dir}/quiet`);
  assert.equal(node.value, "1");
  const swapped = await keys.set(`${dir}/quiet`, "2", { noValueOnSuccess: true, prevIndex: node.modifiedIndex });
  assert.equal(swapped.action, "compareAndSwap");
});

for (const root of ["", "/", "//"]) {
  test(`keys: the root, read as ${JSON.stringify(root)}, is a directory with key "/"`, async () => {
    const { keys, dir } = cluster;
    await keys.set(`${dir}/in-root`, "1");
    const { node } = await keys.get(root, { sort: true });
    assert.equal(node.key, "/");
    assert.equal(node.dir, true);
    assert.equal(node.modifiedIndex, 0);
    assert.ok(node.nodes.some(({ key }) => key === dir));
    await assert.rejects(keys.set(root, "1"), refusal(400, 107));
    await assert.rejects(keys.delete(root, { recursive: true }), refusal(400, 107));
  });
}

test("keys: hidden keys are read by name, and left out of their parent's listing", async () => {
  const { keys, dir } = cluster;
  const parent = `${dir}/hiding`;
  await keys.set(`${parent}/seen`, "1");
  await keys.set(`${parent}/_hidden/below`, "2");
  const { node } = await keys.get(parent, { recursive: true });
  assert.deepEqual(
    node.nodes.map(({ key }) => key),
    [`${parent}/seen`],
  );
  assert.equal((await keys.get(`${parent}/_hidden/below`)).node.value, "2");
  assert.deepEqual(
    (await keys.get(`${parent}/_hidden`)).node.nodes.map(({ key }) => key),
    [`${parent}/_hidden/below`],
  );
});

test("keys: a sorted, recursive quorum listing has every level in UTF-8 byte order, like compareNodes", async () => {
  const { keys, dir } = cluster;
  const parent = `${dir}/sorted`;
  const names = ["\uffff", "😀", "a", "A", "a-", "z/2", "z/1"];
  for (const name of names) await keys.set(`${parent}/${name}`, name);
  const { node } = await keys.get(parent, { recursive: true, sort: true, quorum: true });
  assert.deepEqual(
    node.nodes.map(({ key }) => key.slice(parent.length + 1)),
    ["A", "a", "a-", "z", "\uffff", "😀"],
  );
  assert.deepEqual(node.nodes.toReversed().toSorted(compareNodes), node.nodes);
  assert.deepEqual(
    node.nodes[3]?.nodes.map(({ value }) => value),
    ["z/1", "z/2"],
  );
  const flat = await keys.get(parent, { sort: true });
  assert.deepEqual(flat.node.nodes[3]?.nodes, []);
});

function refusal(status: number, errorCode: number, guard: (error: unknown) => boolean = () => true) {
  return (error: unknown): true => {
    assert.ok(error instanceof EtcdError, String(error));
    assert.deepEqual([error.status, error.errorCode, guard(error)], [status, errorCode, true]);
    return true;
  };
}
