import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { projectRoot } from "../scripts/run.mjs";
import { isCompareFailed, isKeyNotFound, isNodeExist, type KeysAPI } from "../src/core/index.js";
import { Random } from "../src/test-kit/random.js";
import { TcpProxy } from "../src/test-kit/tcp-proxy.js";
import { patience, until } from "../src/test-kit/waiting.js";
import { migrateGround, treeOf } from "./migrate-support.js";

const ground = migrateGround();
const to = "etcd 3.5 without v2";

/** A migration that follows, in its own process. */
class Following {
  readonly process: ChildProcess;
  readonly #ended: Promise<unknown>;
  #out = "";
  #err = "";

  constructor(t: TestContext, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const cli = join(projectRoot, "dist", "src", "cli", "main.js");
    const all = [cli, "--json", "migrate", ...args, "--follow"];
    const child = spawn(process.execPath, all, { env: { PATH: process.env["PATH"] ?? "", ...env } });
    t.after(() => child.kill("SIGKILL"));
    child.stdout.setEncoding("utf8").on("data", (text: string) => (this.#out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#err += text));
    this.process = child;
    this.#ended = once(child, "close");
  }

  get err(): string {
    return this.#err;
  }

  /** The lines of JSON so far. */
  get lines(): readonly Record<string, unknown>[] {
    const lines = this.#out.slice(0, this.#out.lastIndexOf("\n") + 1).split("\n");
    return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  #checkRunning(): void {
    const { exitCode, signalCode } = this.process;
    assert.equal(exitCode ?? signalCode, null, this.#err);
  }

  /** Waits until it has caught up so many times. */
  async caughtUp(times = 1): Promise<void> {
    await eventually("it has caught up", () => {
      this.#checkRunning();
      return this.#err.split("caught up with v2").length > times;
    });
  }

  /** Waits until it has checked what is in the way, and copies. */
  async checked(): Promise<void> {
    await eventually("it begins to copy", () => {
      this.#checkRunning();
      return this.lines.some(({ phase, at }) => phase === "check" && at === undefined);
    });
  }

  async stop(signal: NodeJS.Signals = "SIGINT"): Promise<number | null> {
    this.process.kill(signal);
    await this.#ended;
    return this.process.exitCode;
  }
}

/** Like `until`, but for six minutes: on a busy machine a migration of 10,000 keys takes longer than one minute. */
async function eventually(what: string, look: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 360_000;
  while (!look()) {
    assert.ok(performance.now() < deadlineMs, `waited six minutes for this: ${what}`);
    await sleep(20);
  }
}

/** Changes keys at random until it is stopped: every kind of write that v2 has. */
function startWriters(keys: KeysAPI, dir: string, random: Random): { stop(): Promise<number> } {
  const ending = new AbortController();
  let count = 0;
  const writer = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      const at = `${dir}/${String(random.whole(0, 39))}`;
      const key = `${at}/k${String(random.whole(0, 59))}`;
      const value = `w${String(++count)}`;
      await ignoringRefusals(async () => {
        const kind = random.whole(0, 99);
        if (kind < 40) return keys.set(key, value);
        if (kind < 50) return keys.set(key, value, { ttl: 600 });
        // for a key without a TTL it would be a change without an event in v2
        if (kind < 58) return (await keys.get(key)).node.ttl === undefined ? undefined : keys.refresh(key, 900);
        if (kind < 70) return keys.delete(key);
        if (kind < 78) return keys.create(key, value);
        if (kind < 84) return keys.set(key, value, { prevValue: (await keys.get(key)).node.value });
        if (kind < 88) return keys.createInOrder(at, value, { ttl: 600 });
        if (kind < 92) return keys.create(`${at}/sub${String(random.whole(0, 2))}`, "", { dir: true });
        if (kind < 95) return keys.set(`${at}/sub${String(random.whole(0, 2))}/deep/er`, value);
        if (kind < 97) return keys.delete(`${at}/sub${String(random.whole(0, 2))}`, { recursive: true });
        if (kind < 98) return keys.delete(at, { recursive: true });
        return keys.set(`${dir}/odd 😀%/ü?#${String(random.whole(0, 2))}`, value, { ttl: 2 });
      });
      await sleep(random.whole(20, 60));
    }
  };
  const running = Promise.all([writer(), writer(), writer()]);
  return {
    stop: async () => {
      ending.abort();
      await running;
      return count;
    },
  };
}

/** What two trees differ in. */
function differencesOf(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): readonly string[] {
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return keys.filter((key) => a[key] !== b[key]).map((key) => `${key}: ${String(a[key])} and ${String(b[key])}`);
}

/** Random numbers whose seed is printed; `MIGRATE_SEED` repeats them. */
function seeded(t: TestContext): Random {
  const seed = Number(process.env["MIGRATE_SEED"] ?? randomInt(2 ** 32));
  t.diagnostic(`MIGRATE_SEED=${String(seed)}`);
  return new Random(seed);
}

/** Ignores the refusals that random writes may get from v2. */
async function ignoringRefusals(write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    const codes = [102, 104, 105];
    const code = (error as { readonly errorCode?: number }).errorCode ?? 0;
    if (!isKeyNotFound(error) && !isCompareFailed(error) && !isNodeExist(error) && !codes.includes(code)) throw error;
  }
}

/** Fills a directory, 32 writes at once. */
async function fill(
  keys: KeysAPI,
  count: number,
  keyOf: (i: number) => string,
  ttlOf: (i: number) => number | undefined,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) await keys.set(keyOf(i), `v${String(i)}`, { ttl: ttlOf(i) });
  };
  await Promise.all(Array.from({ length: 32 }, worker));
}

/** Waits until v2 has expired all short-lived keys, so that both can be compared at rest. */
async function nothingShortLived(dir: string): Promise<void> {
  await until("all keys with a short TTL have expired", async () => {
    const { node } = await ground.v2.get(dir, { recursive: true });
    return ![node, ...node.nodes].some(({ nodes }) =>
      nodes.some(({ expiration }) => (expiration?.getTime() ?? Infinity) < Date.now() + 100_000),
    );
  });
}

function args(dir: string, namespace: string, state: string, from = ground.source.endpoints.join()): string[] {
  const target = ground.target(to).endpoints.join();
  return ["--from", from, "--to", target, "--prefix", dir, "--namespace", namespace, "--state", state];
}

test(
  "migrate: 10,000 keys with TTLs follow their writers, and nothing differs after the switch (V80)",
  { timeout: 600_000 },
  async (t) => {
    const dir = "/busy";
    const random = seeded(t);
    await fill(
      ground.v2,
      10_000,
      (i) => `${dir}/${String(i % 50)}/k${String(i)}`,
      (i) => (i % 5 === 0 ? 600 + (i % 300) : undefined),
    );
    const state = ground.stateFile();
    const writers = startWriters(ground.v2, dir, random);
    const following = new Following(t, args(dir, "/v80", state));
    await following.caughtUp();
    // a program that keeps its key alive in v2 does not lose it in v3: refreshes are no events
    await ground.v2.set(`${dir}/session`, "alive", { ttl: 3 });
    const refreshing = new AbortController();
    const refreshes = (async () => {
      while (!refreshing.signal.aborted) {
        await ground.v2.refresh(`${dir}/session`, 3);
        await sleep(500);
      }
    })();
    await sleep(3_000);
    const count = await writers.stop();
    t.diagnostic(`${String(count)} writes`);
    await ground.v2.set(`${dir}/last`, "one");
    const v3 = ground.v3(to, "/v80");
    await until("the last write has arrived", () =>
      v3.get(`${dir}/last`).then(
        () => true,
        () => false,
      ),
    );
    assert.equal((await v3.get(`${dir}/session`)).node.value, "alive");
    refreshing.abort();
    await refreshes;
    await until("its expiry arrives, too", () => v3.get(`${dir}/session`).then(() => false, isKeyNotFound));
    await nothingShortLived(dir);
    assert.equal(await following.stop(), 130);
    assert.match(following.err, /stopped following; the state is in .* --verify compares/);
    const verified = await ground.run([...args(dir, "/v80", state), "--verify"]);
    assert.equal(verified.code, 0, verified.out + verified.err);
    assert.deepEqual(following.lines.at(-1), { phase: "end", exit: 130 });
    const lag = following.lines.filter(({ phase }) => phase === "follow").at(-1);
    assert.deepEqual([lag?.["lag"], lag?.["conflicts"]], [0, 0]);
    // the switch: keys have TTLs, and belong to the programs now
    const kept = await v3.get(`${dir}/0/k1000`).catch(() => undefined);
    if (kept !== undefined) assert.ok((kept.node.ttl ?? 0) > 100);
  },
);

test(
  "migrate: killed at 20 random moments and restarted, it ends with the same result",
  { timeout: 600_000 },
  async (t) => {
    const dir = "/killed";
    const random = seeded(t);
    await fill(
      ground.v2,
      500,
      (i) => `${dir}/${String(i % 40)}/k${String(i)}`,
      (i) => (i % 4 === 0 ? 900 : undefined),
    );
    const state = ground.stateFile();
    const writers = startWriters(ground.v2, dir, random);
    for (let i = 0; i < 20; i++) {
      const following = new Following(t, args(dir, "/killed", state));
      // a moment after it was started, while it copies, while it follows
      const stage = random.whole(0, 2);
      if (stage === 1) await following.checked();
      if (stage === 2) await following.caughtUp();
      await sleep(random.whole(0, 400));
      const how = random.whole(0, 3) === 0 ? "SIGTERM" : "SIGKILL";
      await following.stop(how);
    }
    const last = new Following(t, args(dir, "/killed", state));
    await last.caughtUp();
    await writers.stop();
    await nothingShortLived(dir);
    await ground.v2.set(`${dir}/last`, "one");
    const v3 = ground.v3(to, "/killed");
    await until("the last write has arrived", () =>
      v3.get(`${dir}/last`).then(
        () => true,
        () => false,
      ),
    );
    const lag = (): unknown => last.lines.filter(({ phase }) => phase === "follow").at(-1)?.["conflicts"];
    await until("it has reported the lag", () => lag() !== undefined);
    assert.equal(lag(), 0, "the keys that it wrote before it was killed are known as its own");
    assert.equal(await last.stop("SIGTERM"), 143);
    assert.deepEqual(differencesOf(await treeOf(v3, dir), await treeOf(ground.v2, dir)), [], last.err);
    const verified = await ground.run([...args(dir, "/killed", state), "--verify"]);
    assert.equal(verified.code, 0, verified.out + verified.err);
  },
);

test(
  "migrate: history that has run out is caught up by a comparison, and nothing is lost",
  { timeout: 300_000 },
  async (t) => {
    const dir = "/history";
    await fill(
      ground.v2,
      300,
      (i) => `${dir}/${String(i % 10)}/k${String(i)}`,
      () => undefined,
    );
    await using proxy = await TcpProxy.start(ground.source.endpoints[0] ?? "");
    const state = ground.stateFile();
    const following = new Following(t, args(dir, "/history", state, proxy.url));
    await following.caughtUp();
    proxy.cut("refuse");
    await ground.v2.delete(`${dir}/1`, { recursive: true });
    await ground.v2.delete(`${dir}/2/k2`);
    await ground.v2.set(`${dir}/3/k3`, "changed");
    await ground.v2.set(`${dir}/new/dir/key`, "new");
    await fill(
      ground.v2,
      1_100,
      (i) => `/elsewhere/${String(i % 10)}`,
      () => undefined,
    );
    // another program has taken a key over in v3
    const v3 = ground.v3(to, "/history");
    await v3.set(`${dir}/4/k4`, "theirs");
    await ground.v2.set(`${dir}/4/k4`, "too late");
    proxy.heal();
    await following.caughtUp(2);
    assert.match(following.err, /no longer has the history/);
    assert.equal((await v3.get(`${dir}/4/k4`)).node.value, "theirs");
    assert.equal(await following.stop(), 130);
    assert.match(following.err, /1 keys were kept as others wrote them to v3: \/history\/4\/k4/);
    await ground.v2.set(`${dir}/4/k4`, "theirs");
    assert.deepEqual(await treeOf(v3, dir), await treeOf(ground.v2, dir));
    assert.ok(readFileSync(state, "utf8").includes('"phase":"follow"'));
  },
);

test(
  "migrate: a newer v3 write wins over a change of v2, and following ends with a comparison (V111)",
  { timeout: 300_000 },
  async (t) => {
    const dir = "/contest";
    await ground.v2.set(`${dir}/a`, "1");
    await ground.v2.set(`${dir}/b`, "1", { ttl: 600 });
    await ground.v2.set(`${dir}/c`, "1");
    const state = ground.stateFile();
    const all = args(dir, "/contest", state);
    const following = new Following(t, [...all, "--verify"]);
    await following.caughtUp();
    const v3 = ground.v3(to, "/contest");
    await v3.set(`${dir}/a`, "v3");
    await v3.set(`${dir}/b`, "1", { ttl: 600 });
    await ground.v2.set(`${dir}/a`, "2");
    await ground.v2.delete(`${dir}/b`);
    await ground.v2.set(`${dir}/c`, "2");
    await until("the change without a conflict arrives", async () => (await v3.get(`${dir}/c`)).node.value === "2");
    assert.equal((await v3.get(`${dir}/a`)).node.value, "v3");
    assert.equal((await v3.get(`${dir}/b`)).node.value, "1", "the same value, but written by another client");
    // meanwhile another process may compare, but not copy
    const other = await ground.run([...all, "--verify"]);
    assert.equal(other.code, 1, other.err);
    const busy = await ground.run(all);
    assert.deepEqual([busy.code, busy.out], [2, ""]);
    assert.match(busy.err, /another etcd2 migrate works with/);
    assert.equal(await following.stop(), 1);
    const found = following.lines.filter((line) => "difference" in line);
    assert.deepEqual(found, [
      { key: `${dir}/a`, difference: "value" },
      { key: `${dir}/b`, difference: "extra" },
    ]);
    assert.deepEqual(following.lines.at(-1), { phase: "end", exit: 1 });
    assert.match(following.err, /2 keys were kept as others wrote them/);
    assert.equal((await v3.get(`${dir}/b`, { signal: patience() })).node.value, "1");
  },
);
