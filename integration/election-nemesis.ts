// Five candidates in processes of their own, a nemesis, and what they all said. ELECTION_SAFETY_SECONDS says for how long
// (60), ELECTION_SAFETY_SEED repeats a run's choices.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { LeadershipConfig } from "../src/election/index.js";
import { lateEventsOf, termsOf, violationsOf, type Fact, type TermRecord } from "./histories/election-history.js";
import { TcpProxy } from "../src/test-kit/tcp-proxy.js";

export const seconds = Number(process.env["ELECTION_SAFETY_SECONDS"] ?? 60);
/** What a machine that stalls may add to a succession, in ms. */
const lateMs = 6_000;
export const seed = Number(process.env["ELECTION_SAFETY_SEED"] ?? randomInt(2 ** 31));

/** The servers of an election, and how they fail. */
export interface Battlefield {
  readonly backend: "etcd" | "consul";
  readonly endpoints: readonly string[];
  readonly config: LeadershipConfig & { readonly ttlMs: number };
  /** A new leader within this time once the servers can have one, and somebody is there to lead, in ms. */
  readonly successionMs: number;
  /** Does something bad to the servers, and counts it; resolves to what mends it. */
  harm(random: () => number, count: (what: string) => void): Promise<() => Promise<void>>;
  /** Fewer terms would show nothing. */
  readonly minTerms: number;
}

/** Fights for {@link seconds}, then checks that there was a leader at a time. */
export async function fight(t: TestContext, field: Battlefield): Promise<void> {
  const random = randomOf(seed);
  await using store = await TokenStore.start();
  const proxies = await Promise.all(
    Array.from({ length: 5 }, () => Promise.all(field.endpoints.map((url) => TcpProxy.start(url)))),
  );
  const contenders = proxies.map((own, i) => new Contender(`p${String(i + 1)}`, field, own, store.url));
  t.after(async () => {
    for (const each of contenders) each.kill();
    await Promise.all(proxies.flat().map((proxy) => proxy.close()));
  });
  for (const each of contenders) each.start();
  const run = new Run(contenders, field, random);
  await run.leader("the first one");
  const end = performance.now() + seconds * 1_000;
  while (performance.now() < end) await run.round();
  await Promise.all(contenders.map((each) => each.end()));

  const terms = contenders.flatMap((each) => each.terms());
  const late = lateEventsOf(terms);
  const thawed = late.filter(({ term }) =>
    contenders.some((each) => each.name === term.process && each.wasFrozen(term)),
  );
  t.diagnostic(`${String(terms.length)} terms; faults: ${run.counted()}`);
  t.diagnostic(
    `new leader after a fault, ${String(run.waits.length)} times: median ${ms(median(run.waits))}, longest ${ms(Math.max(0, ...run.waits))}, allowed ${ms(field.successionMs)}`,
  );
  t.diagnostic(
    `abort events that came after the next leader had begun, whoever had not asked: ${String(late.length)}, of them in thawed processes ${String(thawed.length)}`,
  );
  const moments = contenders.flatMap((each) => each.thawMoments());
  t.diagnostic(
    `from a thaw to the abort event of a term that was over by then: ${String(moments.length)} times, median ${ms(median(moments))}, longest ${ms(Math.max(0, ...moments))}`,
  );
  t.diagnostic(`store: ${String(store.accepted.length)} writes accepted, ${String(store.refused)} refused as too old`);
  assert.deepEqual(violationsOf(terms), []);
  for (const [i, token] of store.accepted.entries())
    assert.ok(token >= (store.accepted[i - 1] ?? 0), "a write of an older leader was accepted");
  assert.ok(
    store.accepted.every((token) => terms.some((term) => term.token === token)),
    "only leaders have written",
  );
  const slow = run.waits.filter((wait) => wait > field.successionMs);
  // a machine that stalls may be late at times
  assert.ok(
    slow.length <= run.waits.length / 10,
    `a new leader took longer than ${ms(field.successionMs)} too often: ${slow.map(ms).join(", ")}`,
  );
  assert.deepEqual(
    slow.filter((wait) => wait > field.successionMs + lateMs),
    [],
    "and much longer",
  );
  assert.ok(terms.length > field.minTerms, `only ${String(terms.length)} terms`);
}

/** One candidate, in one process after the other. */
class Contender {
  readonly name: string;
  readonly #field: Battlefield;
  readonly #proxies: readonly TcpProxy[];
  readonly #store: string;
  readonly #facts: Fact[][] = [];
  readonly #freezes: { readonly fromMs: number; toMs: number }[] = [];
  #process: ChildProcess | undefined;
  #ended: Promise<readonly [code: number | null, signal: NodeJS.Signals | null]> | undefined;
  frozen = false;
  isCut = false;

  constructor(name: string, field: Battlefield, proxies: readonly TcpProxy[], store: string) {
    this.name = name;
    this.#field = field;
    this.#proxies = proxies;
    this.#store = store;
  }

  get alive(): boolean {
    return this.#process !== undefined;
  }

  get well(): boolean {
    return this.alive && !this.frozen && !this.isCut;
  }

  start(): void {
    const { NODE_TEST_CONTEXT: _context, ...env } = process.env;
    const { backend, config } = this.#field;
    const orders = { backend, endpoints: this.#proxies.map(({ url }) => url), config, store: this.#store };
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL("election-program.js", import.meta.url)), JSON.stringify(orders)],
      { env, stdio: ["ignore", "pipe", "inherit"] },
    );
    const facts: Fact[] = [];
    this.#facts.push(facts);
    let rest = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) facts.push(JSON.parse(line) as Fact);
    });
    this.#process = child;
    this.#ended = new Promise((resolve) =>
      child.once("close", (code, signal) => {
        resolve([code, signal]);
      }),
    );
    this.frozen = false;
  }

  kill(): void {
    this.#process?.kill("SIGKILL");
    this.#process = undefined;
  }

  freeze(): void {
    this.frozen = true;
    this.#freezes.push({ fromMs: nowMs(), toMs: Infinity });
    this.#process?.kill("SIGSTOP");
  }

  thaw(): void {
    const freeze = this.#freezes.at(-1);
    if (freeze !== undefined) freeze.toMs = nowMs();
    this.#process?.kill("SIGCONT");
    this.frozen = false;
  }

  cut(how: "refuse" | "hang"): void {
    this.isCut = true;
    for (const proxy of this.#proxies) proxy.cut(how);
  }

  heal(): void {
    this.isCut = false;
    for (const proxy of this.#proxies) proxy.heal();
  }

  /** One that was started a moment ago does not listen yet. */
  abdicate(): void {
    if (this.#facts.at(-1)?.some(({ type }) => type === "ready") === true) this.#process?.kill("SIGUSR2");
  }

  async end(): Promise<void> {
    const child = this.#process;
    if (child === undefined || this.#ended === undefined) return;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
    // it may have ended before, by a fault of its own
    const [code, signal] = await this.#ended;
    clearTimeout(timer);
    this.#process = undefined;
    // one that was started a moment ago has no handler yet, and has said nothing either
    const unbegun = signal === "SIGTERM" && this.#facts.at(-1)?.length === 0;
    assert.ok(code === 0 || unbegun, `${this.name} ended with code ${String(code)}, signal ${String(signal)}`);
  }

  /** When it last said that it leads. */
  lastLed(): { readonly token: number; readonly atMs: number } | undefined {
    const last = this.#facts.at(-1)?.findLast((fact) => fact.type === "leads");
    return last?.type === "leads" ? last : undefined;
  }

  terms(): readonly TermRecord[] {
    return this.#facts
      .flatMap((facts, i) => termsOf(i === 0 ? this.name : `${this.name}.${String(i)}`, facts))
      .map((term) => ({ ...term, process: this.name }));
  }

  wasFrozen({ lastLedMs, abortMs }: TermRecord): boolean {
    return this.#freezes.some(({ fromMs, toMs }) => fromMs < (abortMs ?? Infinity) && toMs > lastLedMs);
  }

  /** Of terms that ran out while it was frozen: from the thaw to the event, in ms. */
  thawMoments(): readonly number[] {
    return this.terms().flatMap(({ lastLedMs, abortMs }) => {
      const freeze = this.#freezes.find(
        ({ fromMs, toMs }) => toMs > lastLedMs && abortMs !== undefined && fromMs < abortMs,
      );
      return freeze === undefined || abortMs === undefined || abortMs < freeze.toMs ? [] : [abortMs - freeze.toMs];
    });
  }
}

/** The nemesis: round after round, faults, the end of some, and the wait for a leader. */
class Run {
  readonly waits: number[] = [];
  readonly #contenders: readonly Contender[];
  readonly #field: Battlefield;
  readonly #random: () => number;
  readonly #counts = new Map<string, number>();
  #token = 0;

  constructor(contenders: readonly Contender[], field: Battlefield, random: () => number) {
    this.#contenders = contenders;
    this.#field = field;
    this.#random = random;
  }

  counted(): string {
    return [...this.#counts].map(([what, count]) => `${what} ${String(count)}`).join(", ");
  }

  async round(): Promise<void> {
    // mostly whoever leads: that is where it hurts
    const leader = this.#leading();
    const victims = leader !== undefined && this.#random() < 0.8 ? [leader] : [];
    while (victims.length < 1 + Math.floor(this.#random() * 2)) victims.push(this.#pick(this.#contenders));
    const undo: (() => void)[] = [];
    for (const victim of new Set(victims)) undo.push(this.#harm(victim));
    const mend =
      this.#random() < 0.3
        ? await this.#field.harm(this.#random, (what) => {
            this.#count(what);
          })
        : undefined;
    const begunMs = nowMs();
    await this.leader("after a fault", begunMs);
    await sleep(this.#random() * 1_000);
    // a process stays frozen for longer than the TTL
    const leftMs = this.#field.config.ttlMs + 1_500 - (nowMs() - begunMs);
    if (undo.length > 0 && this.#contenders.some(({ frozen }) => frozen)) await sleep(Math.max(0, leftMs));
    for (const each of undo) each();
    await mend?.();
    await this.leader("after the fault was mended");
    await sleep(this.#random() * 1_000);
  }

  /** Waits until somebody who can says that it leads; the time counts from the last fault. */
  async leader(what: string, sinceMs: number = nowMs()): Promise<void> {
    for (;;) {
      const led = this.#contenders.filter(({ well }) => well).flatMap((each) => each.lastLed() ?? []);
      const waitedMs = nowMs() - sinceMs;
      const leader = led.find(({ atMs }) => atMs > sinceMs);
      if (leader !== undefined) {
        // somebody who leads as before proves nothing
        if (leader.token !== this.#token) this.waits.push(waitedMs);
        this.#token = leader.token;
        return;
      }
      assert.ok(
        waitedMs < this.#field.successionMs * 4,
        `${what}: no leader for ${String(waitedMs)} ms, seed ${String(seed)}`,
      );
      await sleep(10);
    }
  }

  #leading(): Contender | undefined {
    return [...this.#contenders]
      .filter(({ well }) => well)
      .sort((a, b) => (b.lastLed()?.atMs ?? 0) - (a.lastLed()?.atMs ?? 0))[0];
  }

  /** Does something bad to a contender; returns what undoes it. */
  #harm(victim: Contender): () => void {
    switch (this.#pick(["kill", "freeze", "freeze", "refuse", "hang", "abdicate"] as const)) {
      case "kill":
        this.#count("killed");
        victim.kill();
        return () => {
          victim.start();
        };
      case "freeze":
        this.#count("frozen");
        victim.freeze();
        return () => {
          victim.thaw();
        };
      case "refuse":
        this.#count("cut off, refused");
        victim.cut("refuse");
        return () => {
          victim.heal();
        };
      case "hang":
        this.#count("cut off, silent");
        victim.cut("hang");
        return () => {
          victim.heal();
        };
      case "abdicate":
        this.#count("abdicated");
        victim.abdicate();
        return () => undefined;
    }
  }

  #pick<T>(from: readonly T[]): T {
    return pick(from, this.#random);
  }

  #count(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }
}

export function pick<T>(from: readonly T[], random: () => number): T {
  return from[Math.floor(random() * from.length)] ?? assert.fail("picked from nothing");
}

/** Takes writes with a token, and refuses those that are older than one it has seen. */
class TokenStore implements AsyncDisposable {
  readonly accepted: number[] = [];
  refused = 0;
  readonly #server: http.Server;

  static async start(): Promise<TokenStore> {
    const store = new TokenStore();
    store.#server.listen(0, "127.0.0.1");
    await once(store.#server, "listening");
    return store;
  }

  private constructor() {
    this.#server = http.createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text: string) => (body += text));
      request.on("end", () => {
        const token = Number(body);
        const good = token >= (this.accepted.at(-1) ?? 0);
        if (good) this.accepted.push(token);
        else this.refused++;
        response.writeHead(good ? 200 : 409).end();
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** Mulberry32: the same numbers for the same seed. */
function randomOf(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}
