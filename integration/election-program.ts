// A candidate in a process of its own, for the tests that kill and freeze processes. Each line it writes is one fact, as
// JSON, with the time of the machine's monotonic clock, which all processes share.
import { writeSync } from "node:fs";
import { createConsulClient } from "../src/consul/index.js";
import {
  createEtcdCandidate,
  type Candidate,
  type LeadershipConfig,
  type LeaderSession,
} from "../src/election/index.js";
import { Client } from "../src/core/index.js";
import type { Fact, FactOf } from "./histories/election-history.js";

interface Orders {
  /** @default "etcd" */
  readonly backend?: "etcd" | "consul";
  readonly endpoints: readonly string[];
  readonly config: LeadershipConfig;
  /** The store that checks fencing tokens. Absent: nothing is written. */
  readonly store?: string;
}

/** How often a leader asks its signal, in ms. */
const askEveryMs = 5;
const writeEveryMs = 25;

function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Written at once: what was written before a kill is there after it. */
function say(fact: FactOf<Fact>): void {
  writeSync(1, `${JSON.stringify({ atMs: nowMs(), ...fact })}\n`);
}

const { backend, endpoints, config, store } = JSON.parse(process.argv[2] ?? "") as Orders;
const [candidate, closeClient] = backend === "consul" ? onConsul() : onEtcd();

async function lead({
  signal,
  fencingToken,
}: {
  readonly signal: AbortSignal;
  readonly fencingToken: string;
}): Promise<void> {
  const token = Number(fencingToken);
  const done = new AbortController();
  say({ type: "begin", token });
  const over = new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => {
      say({ type: "abort", token });
      resolve();
    });
  });
  const writing = (async () => {
    // on purpose without a look at the signal: the store has to refuse what is too old
    while (!done.signal.aborted) {
      if (store !== undefined)
        await fetch(store, { method: "POST", body: String(token) })
          .then((answer) => answer.text())
          .catch(() => undefined);
      await pause(writeEveryMs);
    }
  })();
  const asking = setInterval(() => {
    // the time before the question: at that moment the answer was no
    const atMs = nowMs();
    if (!signal.aborted) say({ type: "leads", token, atMs });
  }, askEveryMs);
  await over;
  clearInterval(asking);
  await pause(100);
  done.abort();
  await writing;
  say({ type: "end", token });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function onEtcd(): [Candidate, () => Promise<void>] {
  const client = new Client({ endpoints });
  return [createEtcdCandidate({ client }), () => client.close()];
}

function onConsul(): [Candidate, () => Promise<void>] {
  const client = createConsulClient({ address: endpoints[0] });
  return [client, () => client.close()];
}

/** On Consul it begins with a request, which may fail: the program has to try again. */
async function participate(signal: AbortSignal): Promise<LeaderSession | undefined> {
  while (!signal.aborted) {
    try {
      return await candidate.participate(config, lead);
    } catch {
      await pause(100);
    }
  }
  return undefined;
}

const stop = new AbortController();
process.once("SIGTERM", () => {
  stop.abort();
});
const session = await participate(stop.signal);
process.on("SIGUSR2", () => {
  void session?.abdicate();
});
say({ type: "ready" });
stop.signal.addEventListener("abort", end);
if (stop.signal.aborted) end();

function end(): void {
  void (session?.close() ?? Promise.resolve()).then(closeClient);
}
