// Measures the fake etcd of `etcd2/testing` in processes of its own. By itself, after a build: node dist/bench/fake.js
import { fileURLToPath } from "node:url";
import { capture, runMain, ScriptError } from "../scripts/run.mjs";
import type * as testing from "../src/testing/index.js";
import { figure, median, table } from "./comparison.js";

/** What the fake etcd costs a test. Times are in ms; where something was done several times, they are medians. */
export interface FakeTimes {
  /** Importing `etcd2/testing`, in a process that has just started. */
  readonly importMs: number;
  /** The first `startFakeEtcd()` after that, until it listens. */
  readonly firstStartMs: number;
  /** A later `startFakeEtcd()`. */
  readonly startMs: number;
  /** `createFakeEtcd()`, which has no sockets. */
  readonly createMs: number;
  /** From one write to the moment when 1,000 watchers of the key have seen it, in memory. */
  readonly watchersMs: number;
  /** Writing 10,000 keys with a TTL at once. */
  readonly writeKeysMs: number;
  /** Listing these keys recursively and sorted, in memory; the response is not parsed. */
  readonly listKeysMs: number;
  /** How many writes one member applies in a second, in memory. */
  readonly writesPerSecond: number;
}

/**
 * Measures the fake, in new processes.
 *
 * @throws {ScriptError} a process failed
 */
export function measureFake(): FakeTimes {
  const first = Array.from({ length: 7 }, () => outputOf(["--input-type=module", "-e", firstStart]) as FirstStart);
  return {
    importMs: median(first.map(([importMs]) => importMs)),
    firstStartMs: median(first.map(([, startMs]) => startMs)),
    ...(outputOf([fileURLToPath(import.meta.url), "warm"]) as WarmTimes),
  };
}

/** The part of the times that is measured in one process, after {@link FirstStart}. */
type WarmTimes = Omit<FakeTimes, "importMs" | "firstStartMs">;

type FirstStart = readonly [importMs: number, startMs: number];

/** The bundle, as users get it. */
const published = import.meta.resolve("etcd2/testing");

/** A program that imports nothing else. */
const firstStart = `const began = performance.now(); const { startFakeEtcd } = await import("${published}"); const imported = performance.now(); await startFakeEtcd(); console.log(JSON.stringify([imported - began, performance.now() - imported])); process.exit(0);`;

function outputOf(args: readonly string[]): unknown {
  const { ok, stdout, reason } = capture(process.execPath, args, { timeoutMs: 120_000 });
  if (!ok) throw new ScriptError(`the fake etcd: ${reason}`);
  return JSON.parse(stdout);
}

/** The section of the report. */
export function fakeSection(times: FakeTimes): readonly string[] {
  const limits: Partial<Record<keyof FakeTimes, readonly [aim: string, holds: (value: number) => boolean]>> = {
    firstStartMs: ["< 5", (ms) => ms < 5],
    watchersMs: ["< 50", (ms) => ms < 50],
    writesPerSecond: ["> 20,000", (rate) => rate > 20_000],
  };
  const row = (what: string, name: keyof FakeTimes, digits = 1): readonly string[] => {
    const [aim = "", holds] = limits[name] ?? [];
    const verdict = holds === undefined ? "" : holds(times[name]) ? "met" : "**missed**";
    const value = digits === 0 ? Math.round(times[name]).toLocaleString("en") : figure(times[name], digits);
    return [what, value, aim, verdict];
  };
  return [
    "## The fake etcd",
    "`etcd2/testing` in one process, in ms.",
    table(
      ["", "measured", "aim", ""],
      [
        row("import", "importMs"),
        row("first `startFakeEtcd()`", "firstStartMs"),
        row("a later `startFakeEtcd()`", "startMs", 2),
        row("`createFakeEtcd()`, without sockets", "createMs", 2),
        row("from a write to 1,000 watchers of the key", "watchersMs"),
        row("writing 10,000 keys with a TTL", "writeKeysMs"),
        row("listing 10,000 keys, sorted", "listKeysMs"),
        row("writes a second", "writesPerSecond", 0),
      ],
    ),
  ];
}

async function main(): Promise<void> {
  if (process.argv[2] === "warm") console.log(JSON.stringify(await measureWarm()));
  else for (const [name, value] of Object.entries(measureFake())) console.log(`${name}: ${figure(Number(value), 2)}`);
}

async function measureWarm(): Promise<WarmTimes> {
  const fake = (await import(published)) as typeof testing;
  const start = async (): Promise<void> => {
    await using _started = await fake.startFakeEtcd();
  };
  const create = async (): Promise<void> => {
    await using _created = fake.createFakeEtcd();
  };
  return {
    startMs: await medianOf(21, () => timed(start)),
    createMs: await medianOf(21, () => timed(create)),
    watchersMs: await medianOf(21, () => tellWatchers(fake)),
    writeKeysMs: await medianOf(7, async () => (await manyKeys(fake)).writeMs),
    listKeysMs: await medianOf(7, async () => (await manyKeys(fake)).listMs),
    writesPerSecond: await medianOf(3, () => writeRate(fake)),
  };
}

async function tellWatchers(fake: typeof testing): Promise<number> {
  await using etcd = fake.createFakeEtcd();
  const watchers = 1_000;
  const poll = { method: "GET", path: "/v2/keys/a", query: "wait=true", longPoll: true } as const;
  const url = urlOf(etcd, "/v2/keys/a?wait=true");
  const events = Array.from({ length: watchers }, () => etcd.transport(url, poll, undefined));
  await etcd.untilWatched("/a", { count: watchers });
  return await timed(async () => {
    etcd.load({ "/a": "1" });
    await Promise.all(events);
  });
}

async function manyKeys(fake: typeof testing): Promise<{ readonly writeMs: number; readonly listMs: number }> {
  await using etcd = fake.createFakeEtcd();
  const keys = Object.fromEntries(
    Array.from({ length: 10_000 }, (_, i) => [`/d/${String(i % 100)}/${String(i)}`, { value: "v", ttl: 1_000 }]),
  );
  const writeMs = await timed(() => {
    etcd.load(keys);
  });
  const list = { method: "GET", path: "/v2/keys/d", query: "recursive=true&sorted=true" } as const;
  const listMs = await timed(() => etcd.transport(urlOf(etcd, `${list.path}?${list.query}`), list, undefined));
  return { writeMs, listMs };
}

async function writeRate(fake: typeof testing): Promise<number> {
  await using etcd = fake.createFakeEtcd();
  const writes = 20_000;
  const entry = { "/a": "x".repeat(100) };
  const ms = await timed(() => {
    for (let i = 0; i < writes; i++) etcd.load(entry);
  });
  return writes / (ms / 1_000);
}

function urlOf(etcd: testing.FakeEtcd, target: string): URL {
  return new URL(target, etcd.endpoints[0]);
}

async function timed(work: () => unknown): Promise<number> {
  const beganMs = performance.now();
  await work();
  return performance.now() - beganMs;
}

async function medianOf(times: number, measureOnce: () => Promise<number>): Promise<number> {
  const all: number[] = [];
  for (let i = 0; i < times; i++) all.push(await measureOnce());
  return median(all);
}

runMain(import.meta.url, main);
