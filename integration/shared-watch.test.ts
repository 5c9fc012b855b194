import assert from "node:assert/strict";
import test from "node:test";
import { Client, KeysAPI, type Watcher } from "../src/core/index.js";
import { patience, until } from "../src/test-kit/waiting.js";
import { clusterForTests, ownMember, watchesAt } from "./support.js";

const cluster = clusterForTests("shared-watch");

test("shared watch: 500 watchers of one tree, some aborting and returning, get every event exactly once, in order", async () => {
  const { keys, dir } = cluster;
  const { index } = await keys.set(`${dir}/tree/0`, "");
  const events = 120;
  const watchers = Array.from({ length: 500 }, (_, i) =>
    seenBy(keys.watcher(`${dir}/tree`, { afterIndex: index, recursive: true }), events, i % 5 === 0),
  );
  const written: number[] = [];
  for (let i = 0; i < events; i++)
    written.push((await keys.set(`${dir}/tree/${String(i % 7)}`, String(i))).node.modifiedIndex);
  for (const seen of await Promise.all(watchers)) assert.deepEqual(seen, written);
});

test("shared watch: 200 watchers of one key are one long poll at the server, and those of another client one more", async () => {
  // a member of its own, without other watchers
  await using own = await ownMember();
  await using client = new Client({ endpoints: own.endpoints });
  await using other = new Client({ endpoints: own.endpoints });
  const keys = new KeysAPI(client);
  const { node } = await keys.set("/one", "");
  const waiting = [keys, new KeysAPI(other)].flatMap((each) =>
    Array.from({ length: 200 }, () => each.watcher("/one", { afterIndex: node.modifiedIndex }).next(patience(60_000))),
  );
  // the server counts a poll shortly after it arrives
  const [url = ""] = own.endpoints;
  await until("both polls are there", async () => (await watchesAt(url)) >= 2);
  assert.equal(await watchesAt(url), 2);
  const {
    node: { modifiedIndex },
  } = await keys.set("/one", "now");
  assert.deepEqual(
    new Set((await Promise.all(waiting)).map((event) => event.node.modifiedIndex)),
    new Set([modifiedIndex]),
  );
});

/** The indexes of the first events, read with one signal, or with a signal per poll that soon aborts. */
async function seenBy(watcher: Watcher, count: number, restless: boolean): Promise<readonly number[]> {
  const seen: number[] = [];
  const signal = patience(300_000);
  // a reader that got nothing waits longer the next time, so that it also succeeds on a slow machine
  let inVain = 0;
  while (seen.length < count) {
    const own = restless ? AbortSignal.timeout(1 + Math.floor(Math.random() * 20) + 10 * inVain) : signal;
    const event = await watcher.next(own).catch((error: unknown) => {
      signal.throwIfAborted();
      if (error !== own.reason) throw error;
    });
    inVain = event === undefined ? inVain + 1 : 0;
    if (event !== undefined) seen.push(event.node.modifiedIndex);
  }
  return seen;
}
