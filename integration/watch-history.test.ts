import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "./test-kit/etcd.js";
import {
  Client,
  ClusterError,
  EtcdError,
  isIndexCleared,
  KeysAPI,
  type KeysResponse,
  type Watcher,
} from "../src/core/index.js";
import { HeaderWatch, patience } from "../src/test-kit/waiting.js";
import { ownMember } from "./support.js";

// a member of our own: nobody else writes, and it may be killed
let cluster: Cluster;
let client: Client;
let keys: KeysAPI;

before(async () => {
  cluster = await ownMember();
  client = new Client({ endpoints: cluster.endpoints });
  keys = new KeysAPI(client);
});

after(async () => {
  await client.close();
  await cluster.stop();
});

test("watch: a refresh is not an event, live or in history, but increments the index (A125)", async () => {
  const start = await keys.set("/a125", "kept", { ttl: 100 });
  const begun = new HeaderWatch(client);
  const came = begun.headers();
  const live = new KeysAPI(begun).watcher("/a125").next(patience());
  await came;
  await keys.refresh("/a125", 200);
  const set = await keys.set("/a125", "new");
  const events = [await live, await keys.watcher("/a125", { afterIndex: start.index }).next(patience())];
  for (const { action, node } of events) {
    assert.equal(action, "set");
    assert.equal(node.value, "new");
    assert.equal(node.modifiedIndex, set.node.modifiedIndex);
    assert.equal(node.modifiedIndex, start.index + 2);
  }
});

test("watch: a watcher that missed nothing sends no more requests than events while others write a lot (FF1)", async () => {
  const { index } = await keys.set("/calm/a", "0");
  let requests = 0;
  const counted = new KeysAPI({ send: (spec, signal) => (requests++, client.send(spec, signal)) });
  const watcher = counted.watcher("/calm", { recursive: true, afterIndex: index });
  for (let i = 1; i <= 4; i++) {
    const pending = watcher.next(patience(60_000));
    for (let batch = 0; batch < 4; batch++)
      await Promise.all(Array.from({ length: 100 }, (_, n) => keys.set(`/elsewhere/${String(n)}`, String(batch))));
    await keys.set("/calm/a", String(i));
    assert.equal((await pending).node.value, String(i));
  }
  assert.equal(requests, 4);
});

test("watch: after 1100 writes to other keys a watcher gets isIndexCleared, and a read returns the index to go on from (A126)", async () => {
  const { index } = await keys.set("/a126", "1");
  for (let i = 0; i < 11; i++)
    await Promise.all(Array.from({ length: 100 }, (_, n) => keys.set(`/elsewhere/${String(n)}`, String(i))));
  const old = keys.watcher("/a126", { afterIndex: index });
  const now = await keys.get("/a126");
  await assert.rejects(old.next(patience()), (error) => {
    assert.ok(error instanceof EtcdError);
    assert.ok(isIndexCleared(error));
    assert.equal(error.errorCode, 401);
    assert.equal(error.index, now.index);
    return true;
  });
  const renewed = keys.watcher("/a126", { afterIndex: now.index });
  await keys.set("/a126", "2");
  assert.equal((await renewed.next(patience())).node.value, "2");
});

for (const end of ["kill", "terminate"] as const) {
  test(`watch: every event is delivered exactly once while the server is stopped (${end}) and restarted on the same data`, async () => {
    const [member] = cluster.members;
    assert.ok(member !== undefined);
    const dir = `/restart-${end}`;
    const begun = new HeaderWatch(client);
    const came = begun.headers();
    const watcher = new KeysAPI(begun).watcher(dir, { recursive: true });
    const watching = collect(watcher, `${dir}/end`, patience(60_000));
    watching.catch(() => undefined); // it is awaited below, unless something fails before that
    await came;
    const writes: KeysResponse[] = [];
    for (let round = 0; round < 2; round++) {
      writes.push(await keys.set(`${dir}/before`, String(round)));
      await member[end]();
      await member.start();
      writes.push(await keys.set(`${dir}/after`, String(round)));
    }
    writes.push(await keys.set(`${dir}/end`, ""));
    assert.deepEqual((await watching).map(told), writes.map(told));
  });
}

/** Reads events up to that of the last key, or far too many. Calls `next` again while no endpoint responds, as its documentation says. */
async function collect(watcher: Watcher, lastKey: string, signal: AbortSignal): Promise<readonly KeysResponse[]> {
  const events: KeysResponse[] = [];
  while (events.at(-1)?.node.key !== lastKey && events.length < 20) {
    try {
      events.push(await watcher.next(signal));
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      await sleep(20, undefined, { signal });
    }
  }
  return events;
}

function told({ action, node }: KeysResponse): readonly unknown[] {
  return [action, node.key, node.value, node.modifiedIndex];
}
