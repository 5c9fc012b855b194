import assert from "node:assert/strict";
import test from "node:test";
import type { KeyNode, KeysAction, KeysResponse } from "../../core/index.js";
import { patience } from "../../test-kit/waiting.js";
import { Changes } from "./changes.js";

let index = 0;

function event(
  action: KeysAction,
  key: string,
  more: { value?: string; dir?: boolean; was?: KeyNode } = {},
): KeysResponse {
  const { value = "", dir = false, was } = more;
  index++;
  const node: KeyNode = { key, value, dir, nodes: [], createdIndex: index, modifiedIndex: index };
  return { action, node, ...(was && { prevNode: was }), index, clusterId: "c" };
}

/** Events in their order: nothing is being compared. */
function inOrder(): Changes {
  const changes = new Changes();
  assert.equal(changes.take(), undefined);
  return changes;
}

test("migrate: changes are applied in their order, as many as a transaction takes", () => {
  const changes = inOrder();
  for (let i = 0; i < 150; i++) changes.add(event("set", `/k${String(i)}`), "/");
  assert.equal(changes.waiting, 150);
  const [first, second] = [changes.take(), changes.take()];
  assert.ok(first?.kind === "events" && second?.kind === "events");
  assert.deepEqual([first.events.length, second.events.length], [100, 50]);
  assert.equal(second.events[0]?.node.key, "/k100");
  assert.equal(changes.take(), undefined);
});

test("migrate: the deletion of a directory, and a file that becomes one, come alone", () => {
  const changes = inOrder();
  const file: KeyNode = { key: "/b", value: "1", dir: false, nodes: [], createdIndex: 1, modifiedIndex: 1 };
  changes.add(event("set", "/a"), "/");
  changes.add(event("delete", "/d", { dir: true }), "/");
  changes.add(event("set", "/b", { dir: true, was: file }), "/");
  changes.add(event("create", "/new", { dir: true }), "/");
  changes.add(event("set", "/c"), "/");
  const taken: string[][] = [];
  for (let batch = changes.take(); batch !== undefined; batch = changes.take())
    if (batch.kind === "events") taken.push(batch.events.map(({ node }) => node.key));
  assert.deepEqual(taken, [["/a"], ["/d"], ["/b"], ["/new", "/c"]]);
});

test("migrate: while both stores are compared, and when too much waits, only keys are remembered", () => {
  const changes = new Changes();
  changes.add(event("set", "/a", { value: "1" }), "/");
  changes.add(event("set", "/a", { value: "2" }), "/");
  changes.add(event("delete", "/dir", { dir: true }), "/");
  assert.deepEqual(changes.take(), { kind: "keys", files: ["/a"], trees: ["/dir"] });
  assert.equal(changes.take(), undefined);
  for (let i = 0; i < 20; i++)
    changes.add(event("set", `/large${String(i % 3)}`, { value: "x".repeat(1_000_000) }), "/");
  assert.deepEqual(changes.take(), { kind: "keys", files: ["/large0", "/large1", "/large2"], trees: [] });
  changes.mark("/again", false);
  changes.add(event("set", "/later"), "/");
  // read again first: what is marked is older
  assert.deepEqual(changes.take(), { kind: "keys", files: ["/again", "/later"], trees: [] });
});

test("migrate: if a directory above the watched key is removed, so is everything in it", () => {
  const changes = inOrder();
  changes.add(event("delete", "/a", { dir: true }), "/a/_hidden");
  assert.deepEqual(changes.take(), { kind: "keys", files: [], trees: ["/a/_hidden"] });
});

test("migrate: a wait ends with a change, and with the signal's reason", async () => {
  const changes = inOrder();
  const wait = changes.wait(patience());
  changes.add(event("set", "/a"), "/");
  await wait;
  await changes.wait(patience());
  changes.take();
  const ending = new AbortController();
  const other = changes.wait(ending.signal);
  const reason = new Error("enough");
  ending.abort(reason);
  await assert.rejects(other, reason);
});
