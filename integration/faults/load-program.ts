// The process under load: one client makes every kind of call until stdin ends, then writes what it recorded to stdout.
import { setTimeout as sleep } from "node:timers/promises";
import {
  Client,
  ClusterError,
  EtcdError,
  isIndexCleared,
  isKeyNotFound,
  KeysAPI,
  SdkError,
  type ClientOptions,
  type KeysResponse,
  type Sender,
} from "../../src/core/index.js";
import type { CallRecord, KeyEvent, LoadRecord, Stall, WatcherRecord } from "../histories/fault-history.js";
import { nextWithin, recordMirror } from "./load-mirror.js";
import { Random } from "../../src/test-kit/random.js";

export interface LoadTask extends Pick<ClientOptions, "headerTimeoutMs" | "bodyIdleTimeoutMs" | "watchIdleTimeoutMs"> {
  readonly endpoints: readonly string[];
  readonly seed: number;
  readonly dir: string;
  /** The index at which the events begin. */
  readonly afterIndex: number;
  /** What the workers do: calls of every kind on shared keys, or plain sets, each worker of a key of its own. @default "everything" */
  readonly work?: "everything" | "own keys" | undefined;
  /** Whether watchers read again and go on when an error reports that events are gone. @default false: they end */
  readonly readsAgain?: boolean | undefined;
  /** Whether sets may be sent again after silence. @default false */
  readonly resend?: boolean | undefined;
}

const workers = 12;
const registersPerEra = 4;
/** Registers change with the eras, so that no history grows too long to be searched. */
const eraMs = 20_000;
/** Together with what the calls take, some 35 writes a second: the 1000 events that etcd keeps are enough for half a minute. */
const longestPauseMs = 450;

/** Longest wait for the watchers to receive the last event, once the cluster is healthy again. */
const watchersEndMs = 30_000;

interface Call extends Pick<CallRecord, "kind" | "key" | "value" | "expected" | "expectedIndex"> {
  readonly compare?: "value" | "index";
}

/** Of workers that overwrite keys of their own: these 12 write some 70 times a second. */
const longestOwnPauseMs = 300;

const {
  endpoints,
  seed,
  dir,
  afterIndex,
  work: kindOfWork = "everything",
  resend = false,
  readsAgain = false,
  ...limits
} = JSON.parse(process.argv[2] ?? "") as LoadTask;
const client = new Client({ endpoints, ...limits });
const calls: CallRecord[] = [];
const stalls: Stall[] = [];
let stopping = false;
let nextValue = 0;

const startedMs = performance.now();
const endStalls = watchStalls();
const random = new Random(seed);
const ended = new AbortController();
const watching = [
  watch("steady", { afterIndex }),
  watch("impatient", { afterIndex, patience: random.fork() }),
  watch("from now on", { afterIndex: 0 }),
];
const endKey = `${dir}/end`;
const mirrored = { keys: new KeysAPI(client), dir, lastKey: endKey, signal: ended.signal };
const mirroring = [
  recordMirror("steady", mirrored),
  recordMirror("impatient", { ...mirrored, patience: random.fork() }),
];
const working = Array.from({ length: workers }, (_, i) =>
  kindOfWork === "everything" ? work(random.fork()) : overwriteOwn(random.fork(), `${dir}/own/${String(i)}`),
);

process.stdin.resume().once("end", () => {
  stopping = true;
});
await Promise.all(working);
do {
  await sleep(100);
  await run({ kind: "set", key: endKey, value: newValue() });
} while (calls.at(-1)?.result !== "acknowledged");
const tooLate = setTimeout(() => {
  ended.abort();
}, watchersEndMs);
const watchers = await Promise.all(watching);
const mirrors = await Promise.all(mirroring);
clearTimeout(tooLate);
endStalls();
await client.close();
const record: LoadRecord = { calls, watchers, stalls, mirrors, originMs: performance.timeOrigin };
process.stdout.write(JSON.stringify(record));

async function work(chances: Random): Promise<void> {
  while (!stopping) {
    const choice = chances.next();
    const era = Math.floor((performance.now() - startedMs) / eraMs);
    const number = String(chances.whole(1, registersPerEra));
    if (choice < 0.4) await exchange(chances, `${dir}/registers/${String(era)}-${number}`);
    else if (choice < 0.55) await overwrite(chances, `${dir}/overwritten/${String(era)}-${number}`);
    else if (choice < 0.7) await run({ kind: "set", key: `${dir}/once/${newValue()}`, value: newValue() });
    else if (choice < 0.85) await run({ kind: "createInOrder", key: `${dir}/queue`, value: newValue() });
    else if (choice < 0.9) await run({ kind: "create", key: `${dir}/made/${newValue()}`, value: newValue() });
    else await run({ kind: "list", key: `${dir}/registers` });
    await sleep(chances.whole(10, longestPauseMs));
  }
}

/** Reads a register, then swaps, removes or creates it by comparison; sometimes with an older read. */
async function exchange(chances: Random, key: string): Promise<void> {
  const read = await run({ kind: "read", key });
  if (read.result !== "acknowledged") return;
  if (chances.chance(0.2)) await sleep(chances.whole(0, 300));
  const [expected, expectedIndex, compare] = [read.value, read.index, chances.pick(["value", "index"] as const)];
  if (expected === undefined) await run({ kind: "create", key, value: newValue() });
  else if (chances.chance(0.15)) await run({ kind: "remove", key, expected, expectedIndex, compare });
  else await run({ kind: "swap", key, value: newValue(), expected, expectedIndex, compare });
}

async function overwrite(chances: Random, key: string): Promise<void> {
  await run(chances.chance(0.5) ? { kind: "set", key, value: newValue() } : { kind: "read", key });
}

/** Overwrites a key that nobody else writes: the order of its values is known. */
async function overwriteOwn(chances: Random, key: string): Promise<void> {
  while (!stopping) {
    await run({ kind: "set", key, value: newValue() });
    await sleep(chances.whole(10, longestOwnPauseMs));
  }
}

async function run(call: Call): Promise<CallRecord> {
  const startMs = performance.now();
  let maybeApplied = false;
  const sender: Sender = {
    send: async (spec, signal) => {
      const raw = await client.send(spec, signal);
      maybeApplied = raw.maybeApplied === true;
      return raw;
    },
  };
  const settled = await send(new KeysAPI(sender), call).then(
    (response) => answered(call, response, maybeApplied),
    (error: unknown) => failed(call, error),
  );
  const done: CallRecord = {
    attempts: endpoints.length,
    openAttempts: 0,
    ...call,
    ...settled,
    startMs,
    endMs: performance.now(),
  };
  calls.push(done);
  return done;
}

function send(keys: KeysAPI, { kind, key, value = "", expected, expectedIndex, compare }: Call): Promise<KeysResponse> {
  const condition = compare === "value" ? { prevValue: expected } : { prevIndex: expectedIndex };
  switch (kind) {
    case "read":
      return keys.get(key, { quorum: true });
    case "list":
      return keys.get(key, { recursive: true });
    case "set":
      return keys.set(key, value, { resend });
    case "create":
      return keys.create(key, value);
    case "swap":
      return keys.set(key, value, condition);
    case "remove":
      return keys.delete(key, condition);
    case "createInOrder":
      return keys.createInOrder(key, value);
  }
}

type Settled = Pick<CallRecord, "result"> & Partial<CallRecord>;

function answered({ kind }: Call, { node, clusterId }: KeysResponse, maybeApplied: boolean): Settled {
  const index = node.modifiedIndex;
  if (kind === "read") return { result: "acknowledged", clusterId, value: node.value, index };
  if (kind === "list") return { result: "acknowledged", clusterId };
  return {
    result: "acknowledged",
    clusterId,
    index,
    openAttempts: maybeApplied ? endpoints.length - 1 : 0,
    ...(kind === "createInOrder" && { made: node.key }),
  };
}

function failed({ kind }: Call, error: unknown): Settled {
  if (error instanceof EtcdError) {
    if (kind === "read" || kind === "list")
      return isKeyNotFound(error) ? { result: "acknowledged" } : { result: "odd", error: error.message };
    return {
      result: error.outcome === "notApplied" ? "refused" : "unknown",
      openAttempts: 1,
      error: String(error.errorCode),
    };
  }
  if (!(error instanceof SdkError) || !("outcome" in error)) return { result: "odd", error: String(error) };
  const failures = error instanceof ClusterError ? error.errors : undefined;
  const attempts = failures?.length ?? endpoints.length;
  const open = failures?.filter((failure) => "outcome" in failure && failure.outcome === "unknown").length ?? attempts;
  const result = error.outcome === "unknown" ? "unknown" : "notApplied";
  return { result, attempts, openAttempts: result === "unknown" ? open : 0, error: codesOf(error) };
}

function codesOf(error: SdkError): string {
  return error instanceof ClusterError ? `${error.code}(${error.errors.map(({ code }) => code).join()})` : error.code;
}

/** Reads one event after the other, up to the last one, and continues after every error. */
async function watch(
  name: string,
  { afterIndex, patience }: { readonly afterIndex: number; readonly patience?: Random },
): Promise<WatcherRecord> {
  const keys = new KeysAPI(client);
  let watcher = keys.watcher(dir, { recursive: true, afterIndex });
  const events: KeyEvent[] = [];
  const restarts: { at: number; afterIndex: number }[] = [];
  const errors: Record<string, number> = {};
  while (events.at(-1)?.key !== `${dir}/end` && !ended.signal.aborted) {
    try {
      const { action, node, prevNode } = await nextWithin(watcher, patience, ended.signal);
      events.push({
        action,
        key: node.key,
        value: node.value,
        index: node.modifiedIndex,
        prevIndex: prevNode?.modifiedIndex,
      });
    } catch (error) {
      const code = isIndexCleared(error) ? "cleared" : error instanceof SdkError ? codesOf(error) : String(error);
      errors[code] = (errors[code] ?? 0) + 1;
      await sleep(20);
      if (code !== "cleared") continue;
      if (!readsAgain) break;
      const index = await currentIndex(keys);
      if (index === undefined) continue;
      watcher = keys.watcher(dir, { recursive: true, afterIndex: index });
      restarts.push({ at: events.length, afterIndex: index });
    }
  }
  return { name, events, errors, fromNowOn: afterIndex === 0, restarts };
}

/**
 * Reads the directory by quorum, as a program must after an error that events are gone. Resolves to undefined while no
 * endpoint responds.
 */
async function currentIndex(keys: KeysAPI): Promise<number | undefined> {
  const read = keys.get(dir, { quorum: true, recursive: true, signal: ended.signal });
  return read.then(
    ({ index }) => index,
    () => undefined,
  );
}

/** Records when a timer that should run every 20 ms was late. */
function watchStalls(): () => void {
  let lastMs = performance.now();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    if (nowMs - lastMs > 70) stalls.push({ startMs: lastMs, endMs: nowMs });
    lastMs = nowMs;
  }, 20);
  return () => {
    clearInterval(timer);
  };
}

function newValue(): string {
  return `v${String(nextValue++)}`;
}
