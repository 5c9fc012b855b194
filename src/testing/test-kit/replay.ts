import assert from "node:assert/strict";
import type { EtcdVersion } from "../../server/messages.js";
import { fill, fits, fitsUnordered, shapeOf, type Facts } from "./masks.js";
import type { RecordedResponse, RecordedCase, RecordedRequest, RecordedStep } from "./recordings.js";

/** A response as a driver returns it; header names in lower case. */
export interface DrivenResponse {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The code of the error, if there was no response. */
  readonly error?: string;
}

/** A long poll as a driver has it. */
export interface DrivenPoll extends DrivenResponse {
  /** All of it, once it ends. */
  whole(): Promise<string>;
  /** The next line of it. */
  line(): Promise<string>;
  /** Whether nothing comes for a while. */
  silent(): Promise<boolean>;
  close(): void;
}

/** A request to a server. */
export interface DrivenRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** On a new connection. */
  readonly fresh: boolean;
}

/** A cluster that recordings are replayed on: a fake, or a real one. */
export interface Driver {
  request(member: number, request: DrivenRequest): Promise<DrivenResponse>;
  open(member: number, request: DrivenRequest): Promise<DrivenPoll>;
  pass(ms: number): Promise<void>;
  killOthers(member: number): Promise<void>;
}

/** Replays a case on a fresh server, and compares each response with the one recorded for that version. */
export async function replay(recorded: RecordedCase, version: EtcdVersion, driver: Driver): Promise<void> {
  const polls = new Map<string, DrivenPoll>();
  const player = new Player(recorded, await factsOf(recorded, driver), driver, polls);
  try {
    for (const [number, step] of recorded.steps.entries()) {
      const expected = recorded.differs?.[version]?.[String(number)] ?? step.answer;
      await player.step(step, expected, `${recorded.id}, step ${String(number)}`);
    }
  } finally {
    for (const poll of polls.values()) poll.close();
  }
}

/** What the masks stand for. */
async function factsOf(recorded: RecordedCase, driver: Driver): Promise<Facts> {
  const members = new Map<string, string>();
  if (recorded.enableV2 === false) return { index: 0, clusterId: "", members };
  const get = async (target: string): Promise<DrivenResponse> => driver.request(0, plain("GET", target));
  const list = JSON.parse((await get("/v2/members")).body ?? "") as { readonly members: readonly MemberJson[] };
  for (const member of list.members) note(members, member.name, member);
  const leader = JSON.parse((await get("/v2/members/leader")).body ?? "") as MemberJson;
  note(members, "leader", leader);
  const order = list.members.map(({ name }) => name).sort();
  members.set("at:leader", String(order.indexOf(leader.name)));
  members.set("at:follower", String(order.findIndex((name) => name !== leader.name)));
  const root = await get("/v2/keys/");
  const { "x-etcd-index": index = "0", "x-etcd-cluster-id": clusterId = "" } = root.headers ?? {};
  return { index: Number(index), clusterId, members };
}

interface MemberJson {
  readonly id: string;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
}

function note(members: Map<string, string>, as: string, { id, name, peerURLs, clientURLs }: MemberJson): void {
  const [peer = ""] = peerURLs;
  const [client = ""] = clientURLs;
  for (const [what, value] of Object.entries({ id, name, peer, client })) members.set(`${what}:${as}`, value);
}

function plain(method: string, target: string): DrivenRequest {
  return { method, target, headers: {}, body: "", fresh: false };
}

class Player {
  readonly #case: RecordedCase;
  readonly #facts: Facts;
  readonly #driver: Driver;
  readonly #polls: Map<string, DrivenPoll>;

  constructor(recorded: RecordedCase, facts: Facts, driver: Driver, polls: Map<string, DrivenPoll>) {
    this.#case = recorded;
    this.#facts = facts;
    this.#driver = driver;
    this.#polls = polls;
  }

  async step(step: RecordedStep, expected: RecordedResponse, at: string): Promise<void> {
    switch (step.do) {
      case "request":
        this.#compare(await this.#driver.request(this.#at(step.member), this.#filled(step)), expected, at);
        return;
      case "repeat":
        await this.#repeat(step.times ?? 1, this.#at(step.member), this.#filled(step));
        return;
      case "open": {
        const poll = await this.#driver.open(this.#at(step.member), this.#filled(step));
        this.#polls.set(step.as ?? "", poll);
        this.#compare(poll, expected, at);
        return;
      }
      case "whole":
        this.#compare({ body: await this.#poll(step.of).whole() }, expected, at);
        return;
      case "line":
        this.#compare({ body: await this.#poll(step.of).line() }, expected, at);
        return;
      case "silent":
        assert.ok(await this.#poll(step.of).silent(), `${at}: ${step.of} is not silent`);
        return;
      case "abandon":
        this.#poll(step.of).close();
        return;
      case "pass":
        await this.#driver.pass(step.ms);
        return;
      case "node":
        await this.#driver.killOthers(step.member);
        return;
      case "counts":
        await this.#counts(step.steps, expected.counts ?? {}, at);
        return;
      case "indexes":
        await this.#indexes(step.steps, expected.deltas ?? [], at);
        return;
      case "firstIndex": {
        const form = { "content-type": "application/x-www-form-urlencoded" };
        const put = { ...plain("PUT", "/v2/keys/first"), headers: form, body: "value=v" };
        const answer = await this.#driver.request(0, put);
        assert.equal(answer.headers?.["x-etcd-index"], String(expected.index), at);
      }
    }
  }

  /** The requests are all the same, so that their order does not matter. */
  async #repeat(times: number, member: number, request: DrivenRequest): Promise<void> {
    for (let left = times; left > 0; left -= 50)
      await Promise.all(Array.from({ length: Math.min(left, 50) }, () => this.#driver.request(member, request)));
  }

  async #counts(steps: readonly RecordedStep[], expected: Readonly<Record<string, number>>, at: string): Promise<void> {
    const before = await this.#counters();
    for (const step of steps) await this.step(step, {}, at);
    const after = await this.#counters();
    const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
    const counted = Object.fromEntries(changed.map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)]));
    assert.deepEqual(counted, expected, at);
  }

  async #counters(): Promise<Readonly<Record<string, number>>> {
    const { body = "" } = await this.#driver.request(0, plain("GET", "/v2/stats/store"));
    return JSON.parse(body) as Record<string, number>;
  }

  async #indexes(steps: readonly RecordedStep[], expected: readonly number[], at: string): Promise<void> {
    const deltas: number[] = [];
    let before = await this.#index();
    for (const step of steps) {
      await this.step(step, {}, at);
      const after = await this.#index();
      deltas.push(after - before);
      before = after;
    }
    assert.deepEqual(deltas, expected, at);
  }

  async #index(): Promise<number> {
    const { headers } = await this.#driver.request(0, plain("GET", "/v2/keys/"));
    return Number(headers?.["x-etcd-index"]);
  }

  #at(member: number | "leader" | "follower" | undefined): number {
    return typeof member === "string" ? Number(this.#facts.members.get(`at:${member}`)) : (member ?? 0);
  }

  #poll(name: string): DrivenPoll {
    return this.#polls.get(name) ?? assert.fail(`no poll ${name}`);
  }

  #filled({ request, fresh = false }: { readonly request: RecordedRequest; readonly fresh?: boolean }): DrivenRequest {
    const { method, headers = {}, body = "", pad: [text, times] = ["", 0], bodyRepeat } = request;
    return {
      method,
      target: fill(request.target, this.#facts) + text.repeat(times),
      headers,
      body: bodyRepeat === undefined ? fill(body, this.#facts) : bodyRepeat[0] + bodyRepeat[1].repeat(bodyRepeat[2]),
      fresh,
    };
  }

  #compare(actual: DrivenResponse, expected: RecordedResponse, at: string): void {
    if (expected.error !== undefined) {
      assert.equal(actual.error, expected.error, at);
      return;
    }
    if (expected.status !== undefined)
      assert.equal(actual.status, expected.status, `${at}: status; body ${String(actual.body).slice(0, 300)}`);
    if (expected.headers !== undefined) this.#compareHeaders(actual.headers ?? {}, expected.headers, at);
    if (expected.body === undefined) return;
    const { body = "" } = actual;
    const same =
      this.#case.shape === true && body.startsWith("{")
        ? shapeOf(body) === expected.body
        : this.#case.unordered === true && body.startsWith("{")
          ? fitsUnordered(expected.body, body, this.#facts)
          : fits(expected.body, body, this.#facts);
    assert.ok(same, `${at}: body\n  recorded ${expected.body}\n  actual   ${body}`);
  }

  #compareHeaders(
    actual: Readonly<Record<string, string>>,
    expected: Readonly<Record<string, string>>,
    at: string,
  ): void {
    for (const [name, value] of Object.entries(expected)) {
      const is = actual[name.toLowerCase()];
      assert.ok(
        is !== undefined && fits(value, is, this.#facts),
        `${at}: header ${name} is ${String(is)}, not ${value}`,
      );
    }
    const known = new Set(Object.keys(expected).map((name) => name.toLowerCase()));
    const watched = this.#case.allHeaders === true ? /^(?!date$)/ : /^(x-etcd-|x-raft-|allow$|location$)/;
    const more = Object.keys(actual).filter((name) => watched.test(name) && !known.has(name));
    assert.deepEqual(more, [], `${at}: headers that were not recorded`);
  }
}
