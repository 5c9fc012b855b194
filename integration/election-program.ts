// A contender in its own process, for tests that kill and freeze processes. Each line that it writes is one fact, as
// JSON, with the time of the machine's monotonic clock, which all processes share.
import { once } from "node:events";
import { writeSync } from "node:fs";
import { createConsulClient, createConsulLocks } from "../src/consul/index.js";
import { Client } from "../src/core/index.js";
import {
  createEtcdCandidate,
  type Candidate,
  type LeaderContext,
  type LeadershipConfig,
  type LeaderSession,
} from "../src/election/index.js";
import { createLocks, type Locks } from "../src/lock/index.js";
import type { Fact, FactOf } from "./histories/election-history.js";

/** What the process should do. */
export interface Orders {
  /** @default "etcd" */
  readonly backend?: "etcd" | "consul";
  readonly endpoints: readonly string[];
  readonly config: LeadershipConfig;
  /** Contests a lock or a semaphore instead of a leadership. */
  readonly lock?: { readonly limit: number };
  /** The store that checks fencing tokens. Absent: nothing is written. */
  readonly store?: string;
}

interface Backend {
  readonly candidate: Candidate;
  readonly locks: Locks;
  readonly close: () => Promise<void>;
}

/** How often a leader checks its signal, in ms. */
const lookEveryMs = 5;
const writeEveryMs = 25;
/** The longest time that a lock is held, in ms. */
const maxHoldMs = 400;

const { backend, endpoints, config, lock, store } = JSON.parse(process.argv[2] ?? "") as Orders;
const { candidate, locks, close } = backend === "consul" ? onConsul() : onEtcd();
const stop = new AbortController();
process.once("SIGTERM", () => {
  stop.abort();
});
if (lock === undefined) await contest();
else await hold(lock.limit);
await close();

/** Contests a leadership until it is stopped. */
async function contest(): Promise<void> {
  const session = await participate();
  process.on("SIGUSR2", () => {
    void session?.abdicate();
  });
  report({ type: "ready" });
  if (!stop.signal.aborted) await once(stop.signal, "abort");
  await session?.close();
}

/** On Consul it begins with a request that may fail, so the program has to retry. */
async function participate(): Promise<LeaderSession | undefined> {
  while (!stop.signal.aborted) {
    try {
      return await candidate.participate(config, lead);
    } catch {
      await pause(100);
    }
  }
  return undefined;
}

/** Acquires and releases a lock, again and again, until it is stopped. */
async function hold(limit: number): Promise<void> {
  const { key, ttlMs, marginMs } = config;
  const semaphore = locks.semaphore(key, { limit });
  let giveUp = new AbortController();
  process.on("SIGUSR2", () => {
    giveUp.abort();
  });
  report({ type: "ready" });
  while (!stop.signal.aborted) {
    giveUp = new AbortController();
    try {
      const held = await semaphore.acquire({ ttlMs, marginMs, signal: stop.signal });
      const leading = lead(held);
      const over = AbortSignal.any([held.signal, giveUp.signal, stop.signal]);
      await Promise.race([pause(Math.random() * maxHoldMs), over.aborted ? undefined : once(over, "abort")]);
      const releasing = held.release();
      await leading;
      await releasing;
    } catch {
      // it is stopped, or a request was refused
      await pause(100);
    }
  }
}

/** Reports as long as it leads, and writes to the store for a moment longer. */
async function lead({ signal, fencingToken }: LeaderContext): Promise<void> {
  const token = Number(fencingToken);
  const done = new AbortController();
  // the time is taken before the check, as below; a process that was frozen on the way here holds nothing any more
  const atMs = nowMs();
  if (signal.aborted) return;
  report({ type: "begin", token, atMs });
  const over = new Promise<void>((resolve) => {
    const end = (): void => {
      report({ type: "abort", token });
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener("abort", end);
  });
  const writing = write(token, done.signal);
  const looking = setInterval(() => {
    // the time is taken before the check: at that moment the signal had not aborted
    const atMs = nowMs();
    if (!signal.aborted) report({ type: "leads", token, atMs });
  }, lookEveryMs);
  await over;
  clearInterval(looking);
  // the leader of an election winds down; a lock already belongs to another holder
  await pause(lock === undefined ? 100 : writeEveryMs);
  done.abort();
  await writing;
  report({ type: "end", token });
}

/** Deliberately ignores the leader's signal: the store has to refuse old tokens. */
async function write(token: number, done: AbortSignal): Promise<void> {
  while (!done.aborted) {
    if (store !== undefined) {
      await fetch(store, { method: "POST", body: String(token) })
        .then((response) => response.text())
        .catch(() => undefined);
    }
    await pause(writeEveryMs);
  }
}

function onEtcd(): Backend {
  const client = new Client({ endpoints });
  return { candidate: createEtcdCandidate({ client }), locks: createLocks({ client }), close: () => client.close() };
}

function onConsul(): Backend {
  const client = createConsulClient({ address: endpoints[0] });
  return { candidate: client, locks: createConsulLocks({ client }), close: () => client.close() };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Writes synchronously, so that everything written before a kill is there after it. */
function report(fact: FactOf<Fact>): void {
  writeSync(1, `${JSON.stringify({ atMs: nowMs(), ...fact })}\n`);
}
