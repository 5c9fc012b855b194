// The recordings of real v2 servers, replayed on `etcd2/server` in front of an etcd that has no v2 API.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startCluster } from "./test-kit/etcd.js";
import { find } from "../scripts/servers/programs.mjs";
import { Client } from "../src/core/index.js";
import { clientStore, createV2Server } from "../src/server/index.js";
import { HttpDriver } from "../src/testing/test-kit/http-driver.js";
import {
  recordedCases,
  type RecordedResponse,
  type RecordedCase,
  type RecordedStep,
} from "../src/testing/test-kit/recordings.js";
import {
  replay,
  type DrivenResponse,
  type DrivenPoll,
  type DrivenRequest,
  type Driver,
} from "../src/testing/test-kit/replay.js";
import { v3Protocol } from "../src/v3/index.js";
import { differences, notPlayed } from "./v3-differences.js";

const cases = recordedCases().filter(
  ({ id, group, members, enableV2, versions }) =>
    versions.includes("3.4") &&
    members === undefined &&
    enableV2 !== false &&
    !(group in notPlayed) &&
    !(id in notPlayed),
);

/** Cases are played side by side on this many clusters: the index is that of a whole store, and some wait for seconds. */
const lanes = 3;

describe("recordings over v3", { concurrency: true }, () => {
  for (const program of ["etcd", "etcd-3.5"] as const) {
    test(`v3: recorded v2 cases through etcd2/server on ${program} without v2 are alike but for the printed differences (V1, V2, V92)`, async (t) => {
      const found = new Map<string, string>();
      const left = [...cases];
      const play = async (): Promise<void> => {
        const timing = { heartbeatMs: 20, electionMs: 200 };
        await using cluster = await startCluster({ bin: find(program), enableV2: false, ...timing });
        for (let recorded = left.shift(); recorded !== undefined; recorded = left.shift()) {
          const strictly = await outcome(recorded, cluster.endpoints);
          if (strictly === undefined) continue;
          const loosely = await outcome(withoutCreatedIndex(recorded), cluster.endpoints);
          found.set(recorded.id, loosely === undefined ? "createdIndex" : "differs");
          if (differences[recorded.id] === undefined) t.diagnostic(`${recorded.id}: ${loosely ?? strictly}`);
        }
      };
      await Promise.all(Array.from({ length: lanes }, play));
      const listed = Object.entries(differences).map(
        ([id, number]) => [id, number === 1 ? "createdIndex" : "differs"] as const,
      );
      assert.deepEqual(Object.fromEntries([...found].sort()), Object.fromEntries(listed.toSorted()));
      t.diagnostic(`${String(cases.length - found.size)} of ${String(cases.length)} cases are alike`);
    });
  }
});

/** Undefined if the case is as recorded, else what differs. */
async function outcome(recorded: RecordedCase, endpoints: readonly string[]): Promise<string | undefined> {
  await using client = new Client({
    endpoints,
    protocol: v3Protocol({ namespace: `/${recorded.id}-${String(performance.now())}` }),
  });
  await using server = createV2Server({ store: clientStore(client) });
  const http = new HttpDriver([await server.listen({ port: 0 })]);
  try {
    await replay(withoutRaft(recorded), "3.4", new V3Driver(http, recorded));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    http.close();
    await removeAll(endpoints[0] ?? "");
  }
}

/** A key that expires later would move the index in the middle of another case. */
async function removeAll(endpoint: string): Promise<void> {
  const slash = Buffer.from("/").toString("base64");
  const body = JSON.stringify({ key: slash, range_end: Buffer.from("0").toString("base64") });
  await fetch(`${endpoint}/v3/kv/deleterange`, { method: "POST", body });
}

class V3Driver implements Driver {
  readonly #http: HttpDriver;
  /** Whether the case waits until a key has expired. */
  readonly #expires: boolean;

  constructor(http: HttpDriver, { id }: RecordedCase) {
    this.#http = http;
    this.#expires = /expire|zero/.test(id);
  }

  request(member: number, request: DrivenRequest): Promise<DrivenResponse> {
    return this.#http.request(member, request);
  }

  open(member: number, request: DrivenRequest): Promise<DrivenPoll> {
    return this.#http.open(member, request);
  }

  pass(ms: number): Promise<void> {
    // v3 grants a lease at least 2 s, and revokes it up to half a second late
    return sleep(ms + (this.#expires ? 2_000 : 0));
  }

  killOthers(): Promise<void> {
    throw new Error("there is one member");
  }
}

/** v3 has no numbers of raft (difference 13). */
function withoutRaft(recorded: RecordedCase): RecordedCase {
  return mapResponses(recorded, ({ headers, ...answer }) => ({
    ...answer,
    ...(headers && {
      headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !/^x-raft-/i.test(name))),
    }),
  }));
}

/** Accepts any `createdIndex`: shows whether a case differs in anything else. */
function withoutCreatedIndex(recorded: RecordedCase): RecordedCase {
  return mapResponses(recorded, ({ body, ...answer }) => ({
    ...answer,
    ...(body !== undefined && { body: body.replace(/"createdIndex":\{[^}]*\}/g, '"createdIndex":{n}') }),
  }));
}

function mapResponses(recorded: RecordedCase, map: (answer: RecordedResponse) => RecordedResponse): RecordedCase {
  const mapStep = (step: RecordedStep): RecordedStep => ({ ...step, answer: map(step.answer) });
  return { ...recorded, steps: recorded.steps.map(mapStep) };
}
