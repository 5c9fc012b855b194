// Five contenders, each in its own process, a nemesis that disturbs them and their servers, and a check of their reports.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { LeadershipConfig } from "../src/election/index.js";
import { Random } from "../src/test-kit/random.js";
import { TcpProxy } from "../src/test-kit/tcp-proxy.js";
import { Contender, nowMs } from "./election-contender.js";
import { lateEventsOf, violationsOf } from "./histories/election-history.js";
import { TokenStore } from "./token-store.js";

/** How long an election is disturbed. `ELECTION_SAFETY_SECONDS` sets it. */
export const seconds = Number(process.env["ELECTION_SAFETY_SECONDS"] ?? 60);
/** The seed of the nemesis' choices, to repeat an earlier run. `ELECTION_SAFETY_SEED` sets it. */
export const seed = Number(process.env["ELECTION_SAFETY_SEED"] ?? randomInt(2 ** 31));

/** How much longer a succession may take on a machine that stalls, in ms. */
const lateMs = 6_000;

/** The servers of an election, and how they fail. */
export interface Battlefield {
  readonly backend: "etcd" | "consul";
  readonly endpoints: readonly string[];
  readonly config: LeadershipConfig & { readonly ttlMs: number };
  /** Contests a lock or a semaphore instead of a leadership. */
  readonly lock?: {
    /** How many may hold it at a time. */
    readonly limit: number;
  };
  /** How long it may take, in ms, until a contender leads once the servers are healthy and a contender is able to lead. */
  readonly successionMs: number;
  /** Disturbs the servers and counts it. Resolves to a function that repairs them. */
  harm(random: Random, count: (what: string) => void): Promise<() => Promise<void>>;
  /** The least number of terms: a run with fewer would prove nothing. */
  readonly minTerms: number;
}

/** Runs the contenders, then checks that there were never too many holders. */
export async function fight(t: TestContext, field: Battlefield, forSeconds: number = seconds): Promise<void> {
  const limit = field.lock?.limit ?? 1;
  await using store = await TokenStore.start();
  const proxies = await Promise.all(
    Array.from({ length: 5 }, () => Promise.all(field.endpoints.map((url) => TcpProxy.start(url)))),
  );
  const { backend, config, lock } = field;
  // the tokens of a semaphore do not exclude each other
  const orders = { backend, config, ...(lock !== undefined && { lock }), ...(limit === 1 && { store: store.url }) };
  const contenders = proxies.map((own, i) => new Contender(`p${String(i + 1)}`, orders, own));
  t.after(async () => {
    for (const each of contenders) each.kill();
    await Promise.all(proxies.flat().map((proxy) => proxy.close()));
  });
  for (const each of contenders) each.start();
  const run = new Run(contenders, field, new Random(seed));
  await run.leader("the first one");
  const end = performance.now() + forSeconds * 1_000;
  while (performance.now() < end) await run.round();
  await Promise.all(contenders.map((each) => each.end()));
  report(t, contenders, run, field);
  const terms = contenders.flatMap((each) => each.terms());
  t.diagnostic(`store: ${String(store.accepted.length)} writes accepted, ${String(store.refused)} refused as too old`);
  const violations = violationsOf(terms, limit);
  if (violations.length > 0) {
    const file = join(tmpdir(), `etcd2-safety-${String(seed)}.json`);
    writeFileSync(file, JSON.stringify({ log: run.log, terms, violations }));
    t.diagnostic(`the whole history is in ${file}`);
  }
  assert.deepEqual(violations, []);
  for (const [i, token] of store.accepted.entries()) {
    assert.ok(token >= (store.accepted[i - 1] ?? 0), "a write of an older leader was accepted");
  }
  assert.ok(
    store.accepted.every((token) => terms.some((term) => term.token === token)),
    "only leaders have written",
  );
  checkSuccessions(run.waits, field.successionMs);
  assert.ok(terms.length > field.minTerms, `only ${String(terms.length)} terms`);
}

function report(t: TestContext, contenders: readonly Contender[], run: Run, { successionMs, lock }: Battlefield): void {
  const terms = contenders.flatMap((each) => each.terms());
  const late = lateEventsOf(terms);
  const thawed = late.filter(({ term }) =>
    contenders.some((each) => each.name === term.process && each.wasFrozen(term)),
  );
  const moments = contenders.flatMap((each) => each.thawMoments());
  t.diagnostic(`${String(terms.length)} terms; faults: ${run.counted()}`);
  t.diagnostic(`a new leader after a fault, ${summaryOf(run.waits)}, allowed ${ms(successionMs)}`);
  // the next holder of a semaphore need not wait for that
  if ((lock?.limit ?? 1) > 1) return;
  t.diagnostic(
    `abort events after the next leader had begun: ${String(late.length)}, ${String(thawed.length)} of them in processes that had been frozen`,
  );
  t.diagnostic(`from a thaw to the abort event of a term that had run out by then, ${summaryOf(moments)}`);
}

/** A busy machine may be late often, but not most of the time. */
function checkSuccessions(waits: readonly number[], successionMs: number): void {
  const slow = waits.filter((wait) => wait > successionMs);
  assert.ok(
    slow.length <= waits.length / 2,
    `a new leader took longer than ${ms(successionMs)} too often: ${slow.map(ms).join(", ")}`,
  );
  const tooSlow = slow.filter((wait) => wait > successionMs + lateMs);
  assert.deepEqual(tooSlow, [], "a new leader took much longer");
}

/** The nemesis: round after round of faults, their repair, and the wait for a leader. */
class Run {
  /** How long it took until another contender led, in ms. */
  readonly waits: number[] = [];
  /** What was done, and when, by the clock of the facts. */
  readonly log: { readonly atMs: number; readonly what: string }[] = [];
  readonly #contenders: readonly Contender[];
  readonly #field: Battlefield;
  readonly #random: Random;
  readonly #counts = new Map<string, number>();
  #token = 0;

  constructor(contenders: readonly Contender[], field: Battlefield, random: Random) {
    this.#contenders = contenders;
    this.#field = field;
    this.#random = random;
  }

  counted(): string {
    return [...this.#counts].map(([what, count]) => `${what} ${String(count)}`).join(", ");
  }

  async round(): Promise<void> {
    const random = this.#random;
    // mostly the leader, where a fault matters most
    const leader = this.#leading();
    const victims = leader !== undefined && random.chance(0.8) ? [leader] : [];
    const number = random.whole(1, 2);
    while (victims.length < number) victims.push(random.pick(this.#contenders));
    const undo = [...new Set(victims)].map((victim) => this.#harm(victim));
    const repair = random.chance(0.3)
      ? await this.#field.harm(random, (what) => {
          this.#count(what);
        })
      : undefined;
    const begunMs = nowMs();
    await this.leader("after a fault", begunMs);
    await sleep(random.next() * 1_000);
    // a process stays frozen for longer than the TTL
    const leftMs = this.#field.config.ttlMs + 1_500 - (nowMs() - begunMs);
    if (this.#contenders.some(({ frozen }) => frozen)) await sleep(Math.max(0, leftMs));
    for (const each of undo) each();
    this.#note("contenders are well");
    await repair?.();
    this.#note("servers are well");
    await this.leader("after the repair");
    await sleep(random.next() * 1_000);
  }

  /** Waits until a contender that is able to lead reports that it leads. */
  async leader(what: string, sinceMs: number = nowMs()): Promise<void> {
    for (;;) {
      const led = this.#contenders.filter(({ well }) => well).flatMap((each) => each.lastLed() ?? []);
      const waitedMs = nowMs() - sinceMs;
      const leader = led.find(({ atMs }) => atMs > sinceMs);
      if (leader !== undefined) {
        // a contender that has led all the time proves nothing
        if (leader.token !== this.#token) this.waits.push(waitedMs);
        this.#token = leader.token;
        return;
      }
      assert.ok(
        waitedMs < this.#field.successionMs * 4,
        `${what}: no leader for ${ms(waitedMs)}, seed ${String(seed)}`,
      );
      await sleep(10);
    }
  }

  #leading(): Contender | undefined {
    return this.#contenders
      .filter(({ well }) => well)
      .sort((a, b) => (b.lastLed()?.atMs ?? 0) - (a.lastLed()?.atMs ?? 0))[0];
  }

  /** Disturbs a contender. Returns a function that undoes it. */
  #harm(victim: Contender): () => void {
    const fault = this.#random.pick(["kill", "freeze", "freeze", "refuse", "hang", "abdicate"] as const);
    switch (fault) {
      case "kill":
        this.#count("killed", victim.name);
        victim.kill();
        return () => {
          victim.start();
        };
      case "freeze":
        this.#count("frozen", victim.name);
        victim.freeze();
        return () => {
          victim.thaw();
        };
      case "refuse":
      case "hang":
        this.#count(fault === "refuse" ? "cut off, refused" : "cut off, silent", victim.name);
        victim.cut(fault);
        return () => {
          victim.heal();
        };
      case "abdicate":
        this.#count("made to give up", victim.name);
        victim.abdicate();
        return () => undefined;
    }
  }

  #note(what: string): void {
    this.log.push({ atMs: nowMs(), what });
  }

  #count(what: string, who = ""): void {
    this.#note(`${what} ${who}`);
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }
}

function summaryOf(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return `${String(values.length)} times: median ${ms(median)}, longest ${ms(sorted.at(-1) ?? 0)}`;
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}
