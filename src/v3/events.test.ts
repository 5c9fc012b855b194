import assert from "node:assert/strict";
import test from "node:test";
import type { Json } from "./decode.js";
import { byRevision, changesIn, eventsOf } from "./events.js";
import { base64, Layout } from "./layout.js";

const kv = (key: string, value: string, [create, mod, version]: readonly number[], lease = "0"): Json => ({
  key: base64(key),
  value: base64(value),
  create_revision: String(create),
  mod_revision: String(mod),
  version: String(version),
  lease,
});
const put = (key: string, value: string, numbers: readonly number[], previous?: Json): Json => ({
  kv: kv(key, value, numbers),
  ...(previous && { prev_kv: previous }),
});
const deletion = (key: string, revision: number, previous?: Json): Json => ({
  type: "DELETE",
  kv: { key: base64(key), mod_revision: String(revision) },
  ...(previous && { prev_kv: previous }),
});

/** @param onTheWay directories of which it is looked up that they were made on the way */
async function told(
  events: readonly Json[],
  expired: readonly string[] = [],
  onTheWay: readonly string[] = [],
): Promise<readonly string[]> {
  const found = await eventsOf(new Layout(""), { index: 9, clusterId: "c" }, changesIn({ events }), {
    ofPut: (lease) => Promise.resolve(expired.includes(lease) ? undefined : 7),
    isGone: (lease) => Promise.resolve(expired.includes(lease)),
    wasMadeOnTheWay: (directory) => Promise.resolve(onTheWay.includes(directory)),
  });
  return found.map(
    ({ action, node, prevNode }) =>
      `${action} ${node?.key ?? ""}${node?.dir ? "/" : ""} ${prevNode?.value ?? (prevNode ? "dir" : "-")}`,
  );
}

test("events: a put is set with what was there, a deletion is delete, or expire if its lease is gone (V23, V27)", async () => {
  assert.deepEqual(await told([put("/a", "1", [9, 9, 1])]), ["set /a -"]);
  assert.deepEqual(await told([put("/a", "2", [5, 9, 2], kv("/a", "1", [5, 5, 1]))]), ["set /a 1"]);
  assert.deepEqual(await told([deletion("/a", 9, kv("/a", "1", [5, 5, 1]))]), ["delete /a 1"]);
  const leased = deletion("/a", 9, kv("/a", "1", [5, 5, 1], "77"));
  assert.deepEqual(await told([leased]), ["delete /a 1"]);
  assert.deepEqual(await told([leased], ["77"]), ["expire /a 1"]);
  assert.deepEqual(await told([deletion("/a", 9)]), ["delete /a -"], "its revision was compacted");
});

test("events: a put with a lease tells the time that is left of it", async () => {
  const change = { kv: kv("/a", "1", [9, 9, 1], "77") };
  const [event] = await eventsOf(new Layout(""), { index: 9, clusterId: "c" }, changesIn({ events: [change] }), {
    ofPut: () => Promise.resolve(7),
    isGone: () => Promise.resolve(false),
    wasMadeOnTheWay: () => Promise.resolve(false),
  });
  assert.equal(event?.node?.ttl, 7);
  const [unknown] = await eventsOf(new Layout(""), { index: 9, clusterId: "c" }, changesIn({ events: [change] }), {
    ofPut: () => Promise.resolve(undefined),
    isGone: () => Promise.resolve(false),
    wasMadeOnTheWay: () => Promise.resolve(false),
  });
  assert.equal(unknown?.node?.ttl, undefined);
});

test("events: a directory has an event when it is made explicitly, and none when it is made on the way", async () => {
  assert.deepEqual(await told([put("/d/", "", [9, 9, 1])]), ["set /d/ -"]);
  assert.deepEqual(await told([put("/d/", "", [9, 9, 1]), put("/d/x", "1", [9, 9, 1])]), ["set /d/x -"]);
  assert.deepEqual(await told([put("/d/", "", [5, 9, 2])]), [], "a marker that only moved");
  const over = [deletion("/d", 9, kv("/d", "old", [5, 5, 1])), put("/d/", "", [9, 9, 1])];
  assert.deepEqual(await told(over), ["set /d/ old"], "in place of a file");
  assert.deepEqual(await told([put("/d/", "", [9, 9, 1])], [], ["/d"]), [], "looked up");
});

test("events: the marker of the root, which keys in order have, has no events (V38)", async () => {
  assert.deepEqual(await told([put("/", "", [9, 9, 1])]), []);
  assert.deepEqual(await told([deletion("/", 9), deletion("/a", 9)]), ["delete /a -"], "nor does it stand for others");
});

test("events: the deletion of a directory is one event and stands for all below it (V14)", async () => {
  const gone = [
    deletion("/d/", 9, kv("/d/", "", [4, 4, 1])),
    deletion("/d/x", 9, kv("/d/x", "1", [5, 5, 1])),
    deletion("/d/e/", 9),
  ];
  assert.deepEqual(await told(gone), ["delete /d/ dir"]);
  assert.deepEqual(await told([deletion("/d/x", 9, kv("/d/x", "1", [5, 5, 1]))]), ["delete /d/x 1"]);
});

test("events: the events of one revision come in the order of their keys; foreign keys are not (V48, V123)", async () => {
  assert.deepEqual(await told([put("/a", "1", [9, 9, 1]), put("/a//b", "1", [9, 9, 1]), put("/b", "2", [9, 9, 1])]), [
    "set /a -",
    "set /b -",
  ]);
  const changes = changesIn({
    events: [put("/a", "1", [8, 8, 1]), put("/b", "1", [8, 8, 1]), put("/a", "2", [8, 9, 2])],
  });
  assert.deepEqual(
    [...byRevision(changes)].map(([index, group]) => [index, group.length]),
    [
      [8, 2],
      [9, 1],
    ],
  );
});
