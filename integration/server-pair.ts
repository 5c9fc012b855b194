import assert from "node:assert/strict";
import { until } from "../src/test-kit/waiting.js";
import type { HttpDriver } from "../src/testing/test-kit/http-driver.js";
import type { DrivenResponse, DrivenPoll, DrivenRequest } from "../src/testing/test-kit/replay.js";

export type Counters = Readonly<Record<string, number>>;

/** Two servers that receive the same requests. */
export class Pair {
  readonly #real: HttpDriver;
  readonly #fake: HttpDriver;
  readonly #polls: (readonly [real: Listening, fake: Listening, what: string])[] = [];
  readonly #done: string[] = [];

  constructor(real: HttpDriver, fake: HttpDriver) {
    this.#real = real;
    this.#fake = fake;
  }

  async ask(request: DrivenRequest): Promise<void> {
    this.#note(request);
    const [real, fake] = await Promise.all([this.#real.request(0, request), this.#fake.request(0, request)]);
    this.#compare(fake, real, request);
  }

  async watch(request: DrivenRequest): Promise<void> {
    this.#note(request);
    const [real, fake] = await Promise.all([this.#real.open(0, request), this.#fake.open(0, request)]);
    const head = ({ status = 0, headers = {} }: DrivenPoll): DrivenResponse => ({ status, headers });
    this.#compare(head(fake), head(real), request);
    this.#polls.push([new Listening(real), new Listening(fake), request.target]);
  }

  /** Waits until both have sent the same events to all watches, and ends these. */
  async settle(): Promise<void> {
    for (const [real, fake, what] of this.#polls) {
      await until(
        `the same events for ${what}; last steps:\n${this.#done.slice(-40).join("\n")}`,
        () => fake.text === real.text,
      );
      real.close();
      fake.close();
    }
    this.#polls.length = 0;
  }

  /** The counters of each so far. The real one has counted more: the health checks at its start. */
  async counters(): Promise<readonly [real: Counters, fake: Counters]> {
    const request = { method: "GET", target: "/v2/stats/store", headers: {}, body: "", fresh: false };
    const of = async (driver: HttpDriver): Promise<Counters> =>
      JSON.parse((await driver.request(0, request)).body ?? "") as Counters;
    return [await of(this.#real), await of(this.#fake)];
  }

  close(): void {
    for (const [real, fake] of this.#polls) {
      real.close();
      fake.close();
    }
    this.#real.close();
    this.#fake.close();
  }

  #note({ method, target, headers, body }: DrivenRequest): void {
    const type = headers["content-type"] ?? "no type";
    this.#done.push(`${method} ${target} (${type}) ${body}`.slice(0, 200));
  }

  #compare(fake: DrivenResponse, real: DrivenResponse, { target }: DrivenRequest): void {
    const inOrder = /[?&]sorted=(true|True|1|t)(&|$)/.test(target);
    const either = nearChunks(fake) || nearChunks(real);
    assert.deepEqual(
      masked(fake, inOrder, either),
      masked(real, inOrder, either),
      `last steps:\n${this.#done.slice(-40).join("\n")}`,
    );
  }
}

/** A poll and its outcome. */
class Listening {
  readonly #poll: DrivenPoll;
  #lines = "";
  #open = true;

  constructor(poll: DrivenPoll) {
    this.#poll = poll;
    void this.#listen();
  }

  get text(): string {
    return maskedBody(this.#lines);
  }

  close(): void {
    this.#open = false;
    this.#poll.close();
  }

  async #listen(): Promise<void> {
    while (this.#open) this.#lines += await this.#poll.line();
  }
}

/**
 * Whether a body is only a little shorter than those that Go sends in chunks, of more than 2,048 bytes. A real etcd's
 * expirations have more digits than the fake's, so that one of the two bodies may be above the limit, and the other below.
 */
function nearChunks({ headers = {} }: DrivenResponse): boolean {
  return Number(headers["content-length"]) > 1_700;
}

/** Masks times, ids and the order of unsorted lists; with `eitherFraming` also whether the body came in chunks. */
function masked(
  { status, headers = {}, body, error }: DrivenResponse,
  inOrder: boolean,
  eitherFraming = false,
): object {
  const volatile = new Set(["date", "x-etcd-cluster-id", "x-raft-index", "x-raft-term", "content-length"]);
  const framing = new Set(["content-length", "transfer-encoding"]);
  const shown = Object.entries(headers)
    .filter(([name]) => !(eitherFraming && framing.has(name)))
    .map(([name, value]) => [name, volatile.has(name) ? "any" : value] as const);
  return { status, headers: Object.fromEntries(shown), body: maskedBody(body ?? "", inOrder), error };
}

function maskedBody(body: string, inOrder = true): string {
  return body
    .split("\n")
    .map((line) => (!inOrder && line.includes('"nodes":[') ? JSON.stringify(sorted(JSON.parse(line))) : line))
    .join("\n")
    .replace(/"expiration":"[^"]*"/g, '"expiration":"any"')
    .replace(/"ttl":(\d+)/g, (_all, ttl: string) => `"ttl":${String(Math.round(Number(ttl) / 50) * 50)}`);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, sorted(field)]));
}
