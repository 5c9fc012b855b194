import { setTimeout as sleep } from "node:timers/promises";
import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import type { EtcdVersion } from "../../server/messages.js";
import { manualClock } from "../clock.js";
import { createFakeEtcd, startFakeEtcd } from "../fake-etcd.js";
import type { FakeEtcd } from "../fake-etcd-types.js";
import { HttpDriver } from "./http-driver.js";
import type { RecordedCase } from "./recordings.js";
import type { Driver, DrivenResponse, DrivenPoll, DrivenRequest } from "./replay.js";

type Asking = Pick<Driver, "request" | "open">;

/** Replays recordings on a fresh fake: over HTTP, or through its transport. */
export async function withFake(
  recorded: RecordedCase,
  version: EtcdVersion,
  way: "http" | "transport",
  play: (driver: Driver) => Promise<void>,
): Promise<void> {
  const options = {
    version,
    members: recorded.members ?? 1,
    v2: recorded.enableV2 ?? true,
    electionTimeoutMs: recorded.group === "no leader" ? 200 : 1000,
    clock: manualClock(),
  };
  await using etcd = way === "http" ? await startFakeEtcd(options) : createFakeEtcd(options);
  const http = way === "http" ? new HttpDriver(etcd.endpoints) : undefined;
  try {
    await play(new FakeDriver(etcd, http ?? new TransportDriver(etcd)));
  } finally {
    http?.close();
  }
}

class FakeDriver implements Driver {
  readonly #etcd: FakeEtcd;
  readonly #asking: Asking;

  constructor(etcd: FakeEtcd, asking: Asking) {
    this.#etcd = etcd;
    this.#asking = asking;
  }

  /** Moves the clock while the fake has not responded: then it waits for time to pass. */
  async request(member: number, request: DrivenRequest): Promise<DrivenResponse> {
    const seenBefore = this.#etcd.requests.length;
    const answer = this.#asking.request(member, request);
    for (;;) {
      const done = new AbortController();
      const late = sleep(20, undefined, { signal: done.signal }).catch(() => undefined);
      const first = await Promise.race([answer, late]);
      done.abort();
      if (first !== undefined) return first;
      if (this.#etcd.requests.slice(seenBefore).some(({ status }) => status === undefined))
        await this.#etcd.tick(1_000);
    }
  }

  open(member: number, request: DrivenRequest): Promise<DrivenPoll> {
    return this.#asking.open(member, request);
  }

  pass(ms: number): Promise<void> {
    return this.#etcd.tick(ms);
  }

  async killOthers(member: number): Promise<void> {
    for (const [at, other] of this.#etcd.members.entries()) if (at !== member) await other.kill();
  }
}

class TransportDriver implements Asking {
  readonly #etcd: FakeEtcd;

  constructor(etcd: FakeEtcd) {
    this.#etcd = etcd;
  }

  async request(member: number, request: DrivenRequest): Promise<DrivenResponse> {
    const { status, headers, body } = await this.#send(member, request, {}, undefined);
    return { status, headers: defined(headers), body };
  }

  open(member: number, request: DrivenRequest): Promise<DrivenPoll> {
    return new Promise((resolve, reject) => {
      const gone = new AbortController();
      const parts: string[] = [];
      const poll = {
        whole: async () => (await answer).body,
        line: async () => {
          for (let waited = 0; parts.length === 0 && waited < 6_000; waited += 5) await sleep(5);
          return parts.shift() ?? "";
        },
        silent: async () => {
          await sleep(5);
          return parts.length === 0;
        },
        close: () => {
          gone.abort();
        },
      };
      const streams = request.target.includes("stream=true");
      const answer = this.#send(
        member,
        request,
        {
          longPoll: true,
          onHeaders: ({ status, headers }) => {
            resolve({ ...poll, status, headers: defined(headers) });
          },
          ...(streams && {
            onPart: (part: Uint8Array) => {
              parts.push(Buffer.from(part).toString());
              return false;
            },
          }),
        },
        gone.signal,
      );
      answer.catch(reject);
    });
  }

  #send(
    member: number,
    { method, target, headers, body }: DrivenRequest,
    more: Partial<RequestSpec>,
    signal: AbortSignal | undefined,
  ): Promise<RawResponse> {
    const url = new URL(this.#etcd.endpoints[member] ?? "");
    // a URL cleans its path; what is sent is sent as it is
    const raw = Object.assign(url, {});
    Object.defineProperty(raw, "pathname", { value: target });
    const spec = { method: method as RequestSpec["method"], path: target, headers, body, ...more };
    return this.#etcd.transport(raw, spec, signal);
  }
}

function defined(headers: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
