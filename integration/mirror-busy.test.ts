import assert from "node:assert/strict";
import test from "node:test";
import { Client, isIndexCleared, KeysAPI, Mirror } from "../src/core/index.js";
import { patience } from "../src/test-kit/waiting.js";
import { clearHistory, ownMember } from "./support.js";

test("mirror: it follows thousands of writes by events, reads again only if etcd's history ran out, and not twice within a second", async (t) => {
  const own = await ownMember();
  const client = new Client({ endpoints: own.endpoints });
  t.after(async () => {
    await client.close();
    await own.stop();
  });
  const keys = new KeysAPI(client);
  await keys.set("/busy/last", "0");
  const errors: unknown[] = [];
  const mirror = new Mirror(keys, "/busy", { onError: (error) => errors.push(error) });
  await mirror.next(patience());

  // half of the history at a time: the mirror can always go on by events
  let written = 0;
  for (let batch = 0; batch < 6; batch++) {
    const writes = Array.from({ length: 400 }, () => keys.set(`/busy/${String(written % 50)}`, String(++written)));
    const indexes = (await Promise.all(writes)).map(({ index }) => index);
    const last = Math.max(...indexes);
    while (mirror.index < last) {
      const { kind } = await mirror.next(patience());
      assert.equal(kind, "event");
    }
  }
  assert.deepEqual(errors, []);

  // three times more than the history holds, while nobody calls the mirror
  const listedMs: number[] = [];
  for (let time = 0; time < 3; time++) {
    await clearHistory({ keys, endpoints: own.endpoints }, "/busy");
    const { kind, changes } = await mirror.next(patience(60_000));
    listedMs.push(performance.now());
    assert.equal(kind, "list");
    assert.ok(changes.length > 0);
    // the watch after the list works
    const { index } = await keys.set("/busy/last", String(time));
    while (mirror.index < index) assert.equal((await mirror.next(patience())).kind, "event");
  }
  assert.equal(errors.length, 3, "one failure for each list");
  assert.ok(errors.every(isIndexCleared));
  for (const [i, atMs] of listedMs.entries()) {
    // a timer of Node may fire up to 1 ms early
    const sinceMs = atMs - (listedMs[i - 1] ?? -Infinity);
    assert.ok(sinceMs >= 998, `${String(sinceMs)} ms between two lists`);
  }
  const { node } = await keys.get("/busy", { recursive: true });
  const files = node.nodes.flatMap((child) => (child.dir ? child.nodes : [child]));
  assert.deepEqual(
    [...mirror.values()].map(({ key, value }) => `${key}=${value}`).sort(),
    files.map(({ key, value }) => `${key}=${value}`).sort(),
  );
});
