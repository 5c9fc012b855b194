import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ConfigSourceEtcd, SourceAPI } from "../../src/config/index.js";
import { showEndpoints } from "../../src/config/test-kit/config-objects.js";
import { Client, KeysAPI } from "../../src/core/index.js";
import { createDiscovery, type KeyEvent, type Registration, type Subscription } from "../../src/discovery/index.js";
import { createEtcdCandidate, type LeaderSession } from "../../src/election/index.js";
import type { Random } from "../../src/test-kit/random.js";
import { until } from "../../src/test-kit/waiting.js";
import { noop } from "../../src/util/deferred.js";
import { untilAborted } from "../../src/util/signals.js";
import { RegistryWriter, startApiSource, startEtcdSource, type Running } from "../config-support.js";
import { filesOf, limits } from "./field.js";

/** The problems that were found, one line each. */
export interface LayersRecord {
  /** Moments at which two candidates led. */
  readonly overlaps: readonly string[];
  readonly subscription: readonly string[];
  readonly config: readonly string[];
  /** Background loops that ended by themselves. */
  readonly ended: readonly string[];
  readonly summary: string;
  /** Terms and faults, in order. */
  readonly lines: readonly string[];
}

const service = "web";
const root = "/registry/services";
const config = { key: "layers/leader", ttlMs: 3_000, lockDelayMs: 0, cooldownMs: 100, stepDownTimeoutMs: 500 } as const;
const longestPauseMs = 100;

/** The layers at work, each part with a client of its own: candidates, registrations and a subscription, and both kinds of config sources. */
export class LayersLoad {
  readonly #endpoints: readonly string[];
  readonly #random: Random;
  readonly #ending = new AbortController();
  readonly #clients: Client[] = [];
  readonly #sessions: LeaderSession[] = [];
  readonly #overlaps = new Set<string>();
  readonly #registrations: readonly Registration[];
  readonly #subscription: Subscription<KeyEvent>;
  readonly #subscribed = new Map<string, string>();
  readonly #contradictions: string[] = [];
  readonly #etcdSource: Running<ConfigSourceEtcd>;
  readonly #apiSource: Running<SourceAPI>;
  readonly #write: RegistryWriter;
  readonly #ended: string[] = [];
  readonly #lines: string[] = [];
  readonly #working: Promise<unknown>;
  #terms = 0;
  #written = 0;
  #events = 0;
  #marks = 0;

  /** Starts everything; it ends with the test. */
  static async start(t: TestContext, endpoints: readonly string[], random: Random): Promise<LayersLoad> {
    const load = new LayersLoad(t, endpoints, random);
    for (const name of ["a", "b", "c"]) await load.#contend(name);
    return load;
  }

  private constructor(t: TestContext, endpoints: readonly string[], random: Random) {
    this.#endpoints = endpoints;
    this.#random = random;
    this.#registrations = ["1", "2", "3"].map((name) =>
      createDiscovery({ client: this.#client(), onWarning: noop }).register(
        service,
        { hostname: `h${name}`, ports: { http: "80" } },
        { ttlMs: 2_000 },
      ),
    );
    this.#subscription = createDiscovery({ client: this.#client(), onWarning: noop }).subscribe(service, {
      includeExisting: true,
    });
    this.#etcdSource = startEtcdSource(t, this.#client(), root);
    this.#apiSource = startApiSource(t, this.#client(), root);
    this.#write = new RegistryWriter(new KeysAPI(this.#client()), root);
    this.#working = Promise.all([this.#follow(), this.#overwrite(), this.#lookForOverlaps()]);
    for (const { source } of [this.#etcdSource, this.#apiSource]) this.#watch("a config source", source.closed);
    for (const registration of this.#registrations) this.#watch("a registration", registration.closed);
    t.after(async () => {
      this.#ending.abort();
      const parts = [...this.#sessions, ...this.#registrations, this.#subscription];
      await Promise.all(parts.map((part) => part.close()));
      await this.#working;
      await Promise.all(this.#clients.map((client) => client.close()));
    });
  }

  /** Adds a line to the history. */
  readonly log = (line: string): void => {
    this.#lines.push(`${(performance.now() / 1_000).toFixed(2)} s: ${line}`);
  };

  /** Waits until every layer works: one leads, all hosts are registered and known, and writes reach both configs. */
  async settled(): Promise<void> {
    await until("one candidate leads", () => this.#sessions.some((session) => session.isLeader));
    await until("all hosts are registered", () => this.#registrations.every(({ state }) => state === "registered"));
    await until("the subscription knows all hosts", () => this.#subscribed.size === this.#registrations.length);
    const name = "default/mark";
    const mark = `${name} 10.0.0.1:${String(++this.#marks)}`;
    await until("the mark is written", () =>
      this.#write
        .spec(`${name}:80`)
        .then(() => this.#write.endpoints(mark))
        .then(
          () => true,
          () => false,
        ),
    );
    for (const { endpoints, source } of [this.#etcdSource, this.#apiSource])
      await until(`${source.constructor.name} has ${mark}`, () => endpoints.last?.includes(mark) === true);
  }

  /** Ends the load, and compares what each layer knows with what is in etcd. */
  async end(memberUrls: readonly string[]): Promise<LayersRecord> {
    const ended = [...this.#ended];
    await this.#registrations[0]?.close();
    this.#ending.abort();
    await using client = new Client({ endpoints: memberUrls });
    const keys = new KeysAPI(client);
    let [known, registered] = ["", ""];
    // a host that expired in the last outage may still be on its way back
    await until("the subscription knows what is registered", async () => {
      const { node } = await keys.get(`/services/${service}`, { quorum: true, recursive: true });
      registered = sorted(filesOf(node).map(({ key, value }) => `${key} ${value}`));
      known = sorted([...this.#subscribed].map(([key, value]) => `${key} ${value}`));
      return known === registered;
    }).catch(noop);
    const { endpoints } = await this.#etcdSource.source.getServices();
    const stored = shown(endpoints.map(showEndpoints));
    const configs = [this.#etcdSource, this.#apiSource];
    const isSame = (of: (typeof configs)[number]): boolean => shown(of.endpoints.last ?? []) === stored;
    await until("the configs have the last write", () => configs.every(isSame)).catch(noop);
    return {
      lines: this.#lines,
      overlaps: [...this.#overlaps],
      subscription: [...this.#contradictions, ...(known === registered ? [] : [`${known} is not ${registered}`])],
      config: configs
        .filter((each) => !isSame(each))
        .map((each) => `${shown(each.endpoints.last ?? [])} is not ${stored}`),
      ended,
      summary: `${String(this.#terms)} terms, ${String(this.#events)} changes of registrations, ${String(this.#written)} writes of configuration`,
    };
  }

  #client(): Client {
    const client = new Client({ endpoints: this.#endpoints, ...limits });
    this.#clients.push(client);
    return client;
  }

  async #contend(name: string): Promise<void> {
    const candidate = createEtcdCandidate({ client: this.#client() });
    const session = await candidate.participate({ ...config, contactInfo: name }, async ({ signal, fencingToken }) => {
      this.#terms++;
      this.log(`${name} leads, token ${fencingToken}`);
      this.#checkOverlap();
      await untilAborted(signal);
      this.log(`${name} no longer leads: ${String(signal.reason)}`);
    });
    this.#sessions.push(session);
    this.#watch(`candidate ${name}`, session.closed);
    // read, so that lasting failures do not become process warnings
    void (async () => {
      for await (const _change of session.changes()) continue;
    })();
  }

  #watch(what: string, closed: Promise<unknown>): void {
    void closed.then((error) => this.#ended.push(`${what} ended: ${String(error)}`));
  }

  #checkOverlap(): void {
    const leaders = this.#sessions.filter((session) => session.isLeader).length;
    if (leaders < 2) return;
    const overlap = `${String(leaders)} lead in term ${String(this.#terms)}`;
    if (!this.#overlaps.has(overlap)) this.log(overlap);
    this.#overlaps.add(overlap);
  }

  async #lookForOverlaps(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      this.#checkOverlap();
      await sleep(10);
    }
  }

  async #follow(): Promise<void> {
    for await (const { type, node } of this.#subscription) {
      this.#events++;
      if (type === "set") this.#subscribed.set(node.key, node.value);
      else if (!this.#subscribed.delete(node.key))
        this.#contradictions.push(`${node.key} was removed, but did not exist`);
    }
  }

  /** Writes endpoints as long as the load goes on; those of an outage get lost. */
  async #overwrite(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const name = `default/s${String(this.#random.whole(1, 5))}`;
      const port = String(++this.#written % 60_000);
      await this.#write
        .spec(`${name}:80`)
        .then(() => this.#write.endpoints(`${name} 10.0.0.2:${port}`))
        .catch(noop);
      await sleep(this.#random.whole(10, longestPauseMs));
    }
  }
}

function sorted(lines: readonly string[]): string {
  return [...lines].sort().join(", ");
}

/** Endpoints with an address: a service without any may be shown or not. */
function shown(endpoints: readonly string[]): string {
  return sorted(endpoints.filter((line) => line.includes(":")));
}
