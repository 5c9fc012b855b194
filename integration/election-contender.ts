import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { TcpProxy } from "../src/test-kit/tcp-proxy.js";
import { termsOf, type Fact, type TermRecord } from "./histories/election-history.js";
import type { Orders } from "./election-program.js";
import { withoutStalled } from "../src/test-kit/child.js";

/** The monotonic clock that all processes of this machine share, in ms. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** One contender, which runs in one process after the other, and everything that it reported. */
export class Contender {
  readonly name: string;
  frozen = false;
  isCut = false;
  readonly #orders: Orders;
  readonly #proxies: readonly TcpProxy[];
  /** The reports of each process. */
  readonly #facts: Fact[][] = [];
  readonly #freezes: { readonly fromMs: number; toMs: number }[] = [];
  #process: ChildProcess | undefined;
  #ended: Promise<readonly [code: number | null, signal: NodeJS.Signals | null]> | undefined;

  constructor(name: string, orders: Omit<Orders, "endpoints">, proxies: readonly TcpProxy[]) {
    this.name = name;
    this.#orders = { ...orders, endpoints: proxies.map(({ url }) => url) };
    this.#proxies = proxies;
  }

  /** Whether it is able to lead. */
  get well(): boolean {
    return this.#process !== undefined && !this.frozen && !this.isCut;
  }

  start(): void {
    const { NODE_TEST_CONTEXT: _context, ...env } = process.env;
    const program = fileURLToPath(new URL("election-program.js", import.meta.url));
    // outages are expected here
    const child = spawn(process.execPath, [withoutStalled, program, JSON.stringify(this.#orders)], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
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

  /** Makes it release its lock. A process that has just been started does not listen yet. */
  abdicate(): void {
    if (this.#facts.at(-1)?.some(({ type }) => type === "ready") === true) this.#process?.kill("SIGUSR2");
  }

  /** Ends its process, which must exit without an error. */
  async end(): Promise<void> {
    const child = this.#process;
    if (child === undefined || this.#ended === undefined) return;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
    // it may have ended before, by its own fault
    const [code, signal] = await this.#ended;
    clearTimeout(timer);
    this.#process = undefined;
    // a process that has just been started has no handler yet, and has reported nothing either
    const unbegun = signal === "SIGTERM" && this.#facts.at(-1)?.length === 0;
    assert.ok(code === 0 || unbegun, `${this.name} ended with code ${String(code)}, signal ${String(signal)}`);
  }

  /** The last time at which its current process reported that it leads, with the token. */
  lastLed(): { readonly token: number; readonly atMs: number } | undefined {
    const last = this.#facts.at(-1)?.findLast((fact) => fact.type === "leads");
    return last?.type === "leads" ? last : undefined;
  }

  terms(): readonly TermRecord[] {
    return this.#facts
      .flatMap((facts, i) => termsOf(i === 0 ? this.name : `${this.name}.${String(i)}`, facts))
      .map((term) => ({ ...term, process: this.name }));
  }

  /** Whether it was frozen at some time between the last moment at which it led and the abort event. */
  wasFrozen({ lastLedMs, abortMs }: TermRecord): boolean {
    return this.#freezes.some(({ fromMs, toMs }) => fromMs < (abortMs ?? Infinity) && toMs > lastLedMs);
  }

  /** For each term that ran out while it was frozen: the time from the thaw to the abort event, in ms. */
  thawMoments(): readonly number[] {
    return this.terms().flatMap(({ lastLedMs, abortMs }) => {
      const freeze = this.#freezes.find(
        ({ fromMs, toMs }) => toMs > lastLedMs && abortMs !== undefined && fromMs < abortMs,
      );
      return freeze === undefined || abortMs === undefined || abortMs < freeze.toMs ? [] : [abortMs - freeze.toMs];
    });
  }
}
