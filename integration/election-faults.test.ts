// Faults that field tests found in elections on etcd. Tests for every backend are in their common suite.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, type Exchange } from "../src/core/index.js";
import { createEtcdCandidate, ElectionError, type LeadershipConfig } from "../src/election/index.js";
import { gotExchange } from "../src/http/got/got-exchange.js";
import { undiciExchange } from "../src/http/undici/index.js";
import { newKey } from "../src/election/test-kit/lock-ground.js";
import { TcpProxy } from "../src/test-kit/tcp-proxy.js";
import { noiseMs, until } from "../src/test-kit/waiting.js";
import { DelayingProxy } from "./delaying-proxy.js";
import { clusterForTests, refreshCounter } from "./support.js";

const cluster = clusterForTests("election-faults");
const config = {
  contactInfo: "a",
  ttlMs: 20_000,
  lockDelayMs: 20_000,
  cooldownMs: 100,
  stepDownTimeoutMs: 500,
} as const;

for (const [name, transport] of [
  ["got", undefined],
  ["undici", undiciExchange],
] as const) {
  describe(`elections over ${name}`, { concurrency: true }, () => {
    for (const [what, delayMs] of [
      ["a create that arrives late", 1_000],
      // later than a request of an election may take
      ["a create that arrives after its request has timed out", 5_000],
    ] as const) {
      test(`election: close() waits for ${what}, and removes it (FF3, ${name})`, async (t) => {
        await using proxy = await DelayingProxy.start(endpoint());
        const key = newKey();
        const held = proxy.delayWrites(delayMs);
        const session = await candidateFor(t, proxy.url, transport?.()).participate({ ...config, key }, untilOver);
        await held;
        await session.close();
        assert.equal(await valueOf(key), undefined, "released");
        const endedMs = performance.now();
        const rival = await candidateFor(t, endpoint(), transport?.()).participate({ ...config, key }, untilOver);
        await until("the rival leads", () => rival.isLeader);
        assert.ok(performance.now() - endedMs < 1_000 + noiseMs);
        await rival.close();
        assert.equal(await valueOf(key), undefined);
      });
    }

    test(`election: close() leaves no lock behind even if no response arrives any more (FF3, ${name})`, async (t) => {
      await using proxy = await TcpProxy.start(endpoint());
      const key = newKey();
      const muting = mutedByWrites(proxy, transport?.() ?? gotExchange());
      const candidate = candidateFor(t, proxy.url, muting);
      const session = await candidate.participate({ ...config, ttlMs: 6_000, key }, untilOver);
      await until("the create is applied", async () => (await valueOf(key)) !== undefined);
      const closing = session.close();
      // the delete is applied, too
      const rival = await candidateFor(t, endpoint()).participate({ ...config, key }, untilOver);
      await until("a rival leads", () => rival.isLeader);
      await closing;
      assert.ok(rival.isLeader);
      await rival.close();
      assert.equal(await valueOf(key), undefined);
    });

    for (const length of [1_000, 3_950, 5_000, 60_000]) {
      test(`election: ${String(length)} characters of contact info are released (FF23, ${name})`, async (t) => {
        const key = newKey();
        const long: LeadershipConfig = { ...config, key, contactInfo: '"'.repeat(length), cooldownMs: 60_000 };
        const first = await candidateFor(t, endpoint(), transport?.()).participate(long, untilOver);
        const second = await candidateFor(t, endpoint(), transport?.()).participate(long, untilOver);
        t.after(() => Promise.all([first.close(), second.close()]));
        await until("the first leads", () => first.isLeader);
        assert.equal(await second.current(), long.contactInfo);
        const abdicatedMs = performance.now();
        assert.equal(await first.abdicate(), true);
        await until("the second leads", () => second.isLeader);
        assert.ok(performance.now() - abdicatedMs < 1_000 + noiseMs);
      });
    }
  });
}

describe("elections on etcd", { concurrency: true }, () => {
  test("election: long contact info is refreshed, and not released once another process has the key (FF23)", async (t) => {
    const key = newKey();
    const session = await candidateFor(t, endpoint()).participate(
      { ...config, key, contactInfo: "x".repeat(5_000), ttlMs: 6_000, cooldownMs: 60_000 },
      untilOver,
    );
    t.after(() => session.close());
    await until("it leads", () => session.isLeader);
    const beats = refreshCounter(cluster.keys, key);
    await until("two heartbeats", async () => (await beats()) >= 2);
    assert.ok(session.isLeader);
    await cluster.keys.set(key, "somebody");
    assert.equal(await session.abdicate(), false);
    assert.equal(await valueOf(key), "somebody");
  });

  for (const [what, below, pattern] of [
    ["a directory", "/child", /is a directory/],
    ["a directory with hidden keys only", "/_hidden", /is a directory/],
    ["an empty directory", undefined, /is a directory/],
  ] as const) {
    test(`election: a key that is ${what} is reported within 2 s, and contested once it is gone (FF24)`, async (t) => {
      const key = newKey();
      if (below === undefined) await cluster.keys.set(key, "", { dir: true, prevExist: false });
      else await cluster.keys.set(key + below, "x");
      const session = await candidateFor(t, endpoint()).participate({ ...config, key }, untilOver);
      t.after(() => session.close());
      const startedMs = performance.now();
      for await (const { type, error } of session.changes()) {
        if (type !== "error") continue;
        assert.ok(error instanceof ElectionError);
        assert.equal(error.code, "ERR_DIRECTORY");
        assert.match(error.message, pattern);
        break;
      }
      assert.ok(performance.now() - startedMs < 2_000 + noiseMs);
      await cluster.keys.delete(key, { recursive: true });
      await until("it leads", () => session.isLeader);
    });
  }

  test("election: a key below a file is reported within 2 s (FF24)", async (t) => {
    const key = newKey();
    await cluster.keys.set(key, "a file");
    const session = await candidateFor(t, endpoint()).participate({ ...config, key: `${key}/leader` }, untilOver);
    t.after(() => session.close());
    for await (const { type, error } of session.changes()) {
      if (type !== "error") continue;
      assert.match(error?.message ?? "", /^104: Not a directory/);
      break;
    }
  });

  test("election: a wrong port is reported once per client by a process warning (FF20)", async (t) => {
    const client = clientFor(t, "http://127.0.0.1:9");
    const warnings: (Error & { readonly code?: string })[] = [];
    const hear = (warning: Error): void => void warnings.push(warning);
    process.on("warning", hear);
    t.after(() => process.off("warning", hear));
    const stop = new AbortController();
    const candidate = createEtcdCandidate({ client });
    const beginnings = [1, 2].map(() =>
      candidate.participate({ ...config, key: newKey() }, untilOver, { signal: stop.signal }),
    );
    const run = candidate.run({ ...config, key: newKey() }, () => undefined, { signal: stop.signal });
    const ours = (): typeof warnings => warnings.filter(({ message }) => message.includes("127.0.0.1:9 "));
    const startedMs = performance.now();
    const [warning] = await until("a warning", () => ours().length > 0 && ours());
    assert.ok(performance.now() - startedMs < 5_000 + noiseMs);
    assert.equal(warning?.code, "ETCD2_STALLED");
    assert.match(warning.message, /ECONNREFUSED/);
    await sleep(1_000);
    assert.equal(ours().length, 1);
    stop.abort();
    for (const beginning of [...beginnings, run]) {
      await assert.rejects(beginning, (error) => error === stop.signal.reason);
    }
  });

  test("election: changes() reports an outage to a waiting candidate, without a warning (FF20)", async (t) => {
    const proxy = await TcpProxy.start(endpoint());
    t.after(() => proxy.close());
    const key = newKey();
    await cluster.keys.set(key, "somebody");
    const session = await candidateFor(t, proxy.url).participate({ ...config, key }, untilOver);
    t.after(() => session.close());
    const changes = session.changes();
    await until("it waits", () => proxy.connections > 1);
    proxy.cut("refuse");
    for await (const { type, error } of changes) {
      if (type !== "error") continue;
      assert.match(error?.message ?? "", /unavailable/);
      break;
    }
    await cluster.keys.delete(key);
    proxy.heal();
    await until("it leads", () => session.isLeader);
  });

  test("election: participate waits until etcd responds, however late it starts (FF20)", async (t) => {
    const proxy = await TcpProxy.start(endpoint());
    t.after(() => proxy.close());
    await proxy.leave();
    let settled = false;
    const candidate = candidateFor(t, proxy.url);
    const beginning = candidate.participate({ ...config, key: newKey() }, untilOver).finally(() => (settled = true));
    await sleep(500);
    assert.equal(settled, false);
    const stop = new AbortController();
    const reason = new Error("enough");
    const aborted = candidate.participate({ ...config, key: newKey() }, untilOver, { signal: stop.signal });
    stop.abort(reason);
    await assert.rejects(aborted, (error) => error === reason);
    await proxy.comeBack();
    const session = await beginning;
    t.after(() => session.close());
    await until("it leads", () => session.isLeader);
  });
});

function endpoint(): string {
  return cluster.endpoints[0] ?? assert.fail("there is an endpoint");
}

function candidateFor(t: TestContext, url: string, transport?: Exchange): ReturnType<typeof createEtcdCandidate> {
  return createEtcdCandidate({ client: clientFor(t, url, transport) });
}

function clientFor(t: TestContext, url: string, transport?: Exchange): Client {
  const client = new Client({ endpoints: [url], ...(transport !== undefined && { transport }) });
  t.after(() => client.close());
  return client;
}

/** A transport that loses all responses from the first write of a key on. That write still reaches the server. */
function mutedByWrites(proxy: TcpProxy, inner: Exchange): Exchange {
  const exchange: Exchange = (url, spec, signal) => {
    // v2's request, or the transaction of v3, where a grant goes before it
    if (spec.method === "PUT" || spec.body?.includes('"request_put"') === true) proxy.cut("mute");
    return inner(url, spec, signal);
  };
  return Object.assign(exchange, { close: () => inner.close?.(), sharesSignals: true });
}

async function valueOf(key: string): Promise<string | undefined> {
  try {
    return (await cluster.keys.get(key, { quorum: true })).node.value;
  } catch {
    return undefined;
  }
}

async function untilOver({ signal }: { readonly signal: AbortSignal }): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}
