import assert from "node:assert/strict";
import { cpSync, rmSync } from "node:fs";
import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Member } from "./test-kit/etcd.js";
import { etcdListerWatcher, type WatchEvent } from "../src/config/index.js";
import { Client, isIndexCleared, KeysAPI, Mirror } from "../src/core/index.js";
import { createDiscovery } from "../src/discovery/index.js";
import { observe } from "../src/election/index.js";
import { noiseMs, patience, until } from "../src/test-kit/waiting.js";
import { RegistryWriter, startEtcdSource } from "./config-support.js";
import { take, uuidsOf } from "./discovery-support.js";
import { ownMember } from "./support.js";

/** How soon every watching layer must see the new state, in ms. */
const soonMs = 15_000;
const root = "/registry/services";

async function putHost(keys: KeysAPI, uuid: string): Promise<void> {
  await keys.set(`/services/s/${uuid}`, `{"name":"h","service_name":"s","ports":null,"uuid":"${uuid}"}`);
}

/** The values written before and after, so that a watcher can tell them apart. */
async function fill(keys: KeysAPI, what: "old" | "new"): Promise<void> {
  await keys.set(`/d/${what}`, what);
  await putHost(keys, what);
  await keys.set("/leader", what);
  await new RegistryWriter(keys, root).spec(`default/${what}:80`);
}

/** What one store looks like to everything that is built on a watch, followed from before to after. */
async function follow(t: TestContext, client: Client): Promise<{ readonly sees: () => Promise<void> }> {
  const keys = new KeysAPI(client);
  const errors: unknown[] = [];
  const mirror = new Mirror(keys, "/d", { maxRetryMs: 1_000, onError: (error) => errors.push(error) });
  const { index } = await mirror.next(patience());
  const end = new AbortController();
  t.after(() => {
    end.abort();
  });
  const updates: string[] = [];
  const following = (async () => {
    for await (const { kind, changes, startedOver = false } of mirror.updates(end.signal)) {
      updates.push([kind, String(startedOver), ...changes.map(({ type, node }) => `${type} ${node.key}`)].join(" "));
    }
  })().catch((error: unknown) => error);
  // a plain watcher is called again after an outage, as its documentation says
  const watcher = keys.watcher("/d", { recursive: true, afterIndex: index });
  const watched = (async () => {
    for (;;) {
      const event = await watcher.next(end.signal).catch((error: unknown) => {
        return end.signal.aborted || isIndexCleared(error) ? error : undefined;
      });
      if (event !== undefined) return event;
      await sleep(50);
    }
  })();
  const discovery = createDiscovery({ client, hostname: "box", onWarning: () => undefined });
  const [come, gone] = [discovery.subscribeNew("s"), discovery.subscribeDown("s")];
  t.after(() => Promise.all([come.close(), gone.close()]));
  await Promise.all([come.ready, gone.ready]);
  const config = startEtcdSource(t, client, root, { retryMs: 1_000 });
  await config.source.synced;
  const leaders = observe(client, "/leader", end.signal);
  assert.equal((await leaders.next()).value?.contactInfo, "old");
  const nextLeader = (async () => {
    // none, if it looks before there is a new one
    for await (const leader of leaders) if (leader !== undefined) return leader;
    return undefined;
  })();
  nextLeader.catch(() => undefined); // it is awaited below, unless something fails before that
  const lister = etcdListerWatcher({ client, path: "/d", decode: ({ key }) => key });
  const { resourceVersion } = await lister.list({});
  const listed = (async () => {
    for (;;) {
      try {
        const events: WatchEvent<string>[] = [];
        for await (const event of lister.watch({ resourceVersion, signal: end.signal })) events.push(event);
        return events;
      } catch (error) {
        if (end.signal.aborted) return error;
        await sleep(50);
      }
    }
  })();
  return {
    sees: async () => {
      await until("the mirror has the new file", () => mirror.nodes.has("/d/new"));
      assert.deepEqual([...mirror.nodes.keys()], ["/d/new"]);
      // in two steps if it read the new store before the file was there
      assert.match(updates.join("; "), /^list true remove \/d\/old(?:; event false)? set \/d\/new$/);
      assert.ok(errors.some(isIndexCleared));
      assert.ok(isIndexCleared(await watched));
      assert.deepEqual(uuidsOf(await take(come, 1)), ["new"]);
      assert.deepEqual(await take(gone, 1), ["old"]);
      await config.services.until(["default/new:80"]);
      assert.equal((await nextLeader)?.contactInfo, "new");
      const events = await listed;
      assert.ok(Array.isArray(events) && events.length === 1, String(events));
      assert.deepEqual(
        (events as readonly WatchEvent<string>[]).map((event) => event.type),
        ["ERROR"],
      );
      end.abort();
      await following;
    },
  };
}

const ways: Readonly<Record<string, (member: Member, args: string[]) => void>> = {
  emptied: ({ dataDir }) => {
    rmSync(dataDir, { recursive: true });
  },
  "set up again as another cluster": ({ dataDir }, args) => {
    rmSync(dataDir, { recursive: true });
    args.push("--initial-cluster-token=another");
  },
  "restored from a backup": ({ dataDir }) => {
    rmSync(dataDir, { recursive: true });
    cpSync(`${dataDir}-backup`, dataDir, { recursive: true });
  },
};

for (const [how, startOver] of Object.entries(ways)) {
  test(`started over: when a cluster is ${how} behind its URL, every watching layer soon sees the new state (FF2)`, async (t) => {
    const args: string[] = [];
    const own = await ownMember({ args });
    t.after(() => own.stop());
    const [member] = own.members;
    assert.ok(member !== undefined);
    const client = new Client({ endpoints: [member.url] });
    t.after(() => client.close());
    const writer = new Client({ endpoints: [member.url] });
    t.after(() => writer.close());
    const keys = new KeysAPI(writer);
    await member.terminate();
    cpSync(member.dataDir, `${member.dataDir}-backup`, { recursive: true });
    await member.start();
    for (let i = 0; i < 50; i++) await keys.set("/elsewhere", String(i));
    await fill(keys, "old");
    const { sees } = await follow(t, client);
    await member.kill();
    startOver(member, args);
    await member.start();
    const startMs = performance.now();
    await fill(keys, "new");
    await sees();
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs < soonMs + noiseMs, `${String(tookMs)} ms`);
  });
}

test("started over: a watcher whose calls each wait only half a second reports it, too (FF2)", async (t) => {
  const own = await ownMember();
  t.after(() => own.stop());
  const [member] = own.members;
  assert.ok(member !== undefined);
  const client = new Client({ endpoints: [member.url] });
  t.after(() => client.close());
  const keys = new KeysAPI(client);
  for (let i = 0; i < 50; i++) await keys.set("/elsewhere", String(i));
  const { index } = await keys.set("/d", "old");
  const watcher = keys.watcher("/d", { afterIndex: index });
  await member.kill();
  rmSync(member.dataDir, { recursive: true });
  await member.start();
  await until("the watcher rejects", async () => {
    const error: unknown = await watcher.next(AbortSignal.timeout(500)).catch((reason: unknown) => reason);
    return isIndexCleared(error);
  });
});
