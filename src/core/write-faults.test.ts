import assert from "node:assert/strict";
import net, { type Socket } from "node:net";
import test, { describe, type TestContext } from "node:test";
import { listen } from "../test-kit/loopback-server.js";
import { ClusterError, EndpointError, ResponseError } from "../util/errors.js";
import { KeysAPI } from "./keys.js";
import { clusterOf, rejection, resettingServer, settled } from "../test-kit/scripted-cluster.js";
import {
  clientOf,
  closeUnanswered,
  halfBody,
  ok,
  raftTimeout,
  refusedUrl,
  reply,
  resetUnanswered,
  ScriptedServer,
  silence,
  type Answer,
} from "../test-kit/scripted-server.js";
import { limitMs } from "../test-kit/waiting.js";

// What must never happen: a write that means something else when sent twice is sent twice, and a write that a server may
// have got is called notApplied. A reset before the request was read looks to us like one after it: both are unknown.

interface Write {
  readonly name: string;
  readonly call: (keys: KeysAPI) => Promise<unknown>;
  /** Which rule holds for it: a plain write, one that is sent again in every case, or one that is sent only once. */
  readonly kind: "plain" | "resent" | "oneShot";
  /** Method, target and body as every server must get them. */
  readonly request: string;
}

const writes: readonly Write[] = [
  { name: "set", call: (keys) => keys.set("/k", "v"), kind: "plain", request: "PUT /v2/keys/k value=v" },
  {
    name: "update",
    call: (keys) => keys.update("/k", "v"),
    kind: "plain",
    request: "PUT /v2/keys/k?prevExist=true value=v",
  },
  {
    name: "refresh",
    call: (keys) => keys.refresh("/k", 5),
    kind: "plain",
    request: "PUT /v2/keys/k?prevExist=true refresh=true&ttl=5",
  },
  {
    name: "set with resend",
    call: (keys) => keys.set("/k", "v", { resend: true }),
    kind: "resent",
    request: "PUT /v2/keys/k value=v",
  },
  {
    name: "update with resend",
    call: (keys) => keys.update("/k", "v", { resend: true }),
    kind: "resent",
    request: "PUT /v2/keys/k?prevExist=true value=v",
  },
  {
    name: "refresh with resend",
    call: (keys) => keys.refresh("/k", 5, { resend: true }),
    kind: "resent",
    request: "PUT /v2/keys/k?prevExist=true refresh=true&ttl=5",
  },
  {
    name: "CAS by value",
    call: (keys) => keys.set("/k", "v", { prevValue: "u" }),
    kind: "oneShot",
    request: "PUT /v2/keys/k?prevValue=u value=v",
  },
  {
    name: "CAS by index",
    call: (keys) => keys.update("/k", "v", { prevIndex: 7 }),
    kind: "oneShot",
    request: "PUT /v2/keys/k?prevExist=true&prevIndex=7 value=v",
  },
  {
    name: "create",
    call: (keys) => keys.create("/k", "v"),
    kind: "oneShot",
    request: "PUT /v2/keys/k?prevExist=false value=v",
  },
  {
    name: "createInOrder",
    call: (keys) => keys.createInOrder("/k", "v"),
    kind: "oneShot",
    request: "POST /v2/keys/k value=v",
  },
  { name: "delete", call: (keys) => keys.delete("/k"), kind: "oneShot", request: "DELETE /v2/keys/k " },
];

/** "S1": the second endpoint answers and the call succeeds. Else class, code and outcome of the error. */
type Ending = "S1" | `${"ClusterError" | "ResponseError"} ${string} ${"notApplied" | "unknown"}`;

interface Fault {
  readonly name: string;
  readonly s0: Answer | "refuses" | "resets";
  /** Whether S0 reads the request. */
  readonly read: boolean;
  readonly plain: Ending;
  readonly resent: Ending;
  readonly oneShot: Ending;
  /** With S0 alone, for all writes. */
  readonly alone: Ending;
}

/** S0 was lost: what it has not applied by then, it never will. */
const lost = {
  plain: "S1",
  resent: "S1",
  oneShot: "ClusterError ERR_NETWORK unknown",
  alone: "ClusterError ERR_NETWORK unknown",
} as const;
/** S0 may still apply the write, over a newer one. */
const silent = {
  plain: "ClusterError ERR_HEADER_TIMEOUT unknown",
  resent: "S1",
  oneShot: "ClusterError ERR_HEADER_TIMEOUT unknown",
  alone: "ClusterError ERR_HEADER_TIMEOUT unknown",
} as const;
const held = {
  plain: "ClusterError ERR_SERVER unknown",
  resent: "S1",
  oneShot: "ClusterError ERR_SERVER unknown",
  alone: "ClusterError ERR_SERVER unknown",
} as const;
const unreached = { ...held, plain: "S1" } as const;
const noV2 = "ResponseError ERR_STATUS notApplied";
const page = "ResponseError ERR_STATUS unknown";

const faults: readonly Fault[] = [
  {
    name: "refused",
    s0: "refuses",
    read: false,
    plain: "S1",
    resent: "S1",
    oneShot: "S1",
    alone: "ClusterError ERR_NETWORK notApplied",
  },
  { name: "reset before the request was read", s0: "resets", read: false, ...lost },
  { name: "reset after it was read", s0: resetUnanswered(), read: true, ...lost },
  { name: "closed after it was read", s0: closeUnanswered(), read: true, ...lost },
  { name: "no headers", s0: silence(), read: true, ...silent },
  { name: "half a body", s0: halfBody(), read: true, ...lost },
  { name: "500 with errorCode 300", s0: raftTimeout(), read: true, ...held },
  { name: "500 of a proxy", s0: reply(500, "<html>"), read: true, ...held },
  { name: "502", s0: reply(502, "bad gateway"), read: true, ...unreached },
  { name: "503", s0: reply(503, "unavailable"), read: true, ...unreached },
  { name: "504", s0: reply(504, "gateway timeout"), read: true, ...held },
  { name: "524", s0: reply(524, ""), read: true, ...held },
  // etcd without its v2 API, on every member or on none: no other endpoint is tried
  {
    name: "404 text page",
    s0: reply(404, "404 page not found\n"),
    read: true,
    plain: noV2,
    resent: noV2,
    oneShot: noV2,
    alone: noV2,
  },
  // not etcd's response: a proxy may have passed the request on
  {
    name: "404 text page of a stranger",
    s0: reply(404, "<html>gone</html>"),
    read: true,
    plain: page,
    resent: page,
    oneShot: page,
    alone: page,
  },
];

for (const fault of faults) {
  describe(`faults: ${fault.name}`, { concurrency: true }, () => {
    for (const write of writes) {
      const expected = fault[write.kind];
      const counts = { s0: fault.read ? 1 : 0, s1: expected === "S1" ? 1 : 0 };
      test(`faults: ${write.name}, ${fault.name} -> S0 gets ${String(counts.s0)}, S1 ${String(counts.s1)}, ${expected} (FF11)`, async (t) => {
        await check(t, write, fault, counts, expected);
      });
      test(`faults: ${write.name}, ${fault.name}, no other endpoint -> ${fault.alone}`, async (t) => {
        await check(t, write, fault, { s0: counts.s0 }, fault.alone);
      });
    }
  });
}

async function check(
  t: TestContext,
  write: Write,
  fault: Fault,
  counts: { readonly s0: number; readonly s1?: number },
  expected: Ending,
): Promise<void> {
  const s0 = await faulty(t, fault);
  const s1 = counts.s1 === undefined ? undefined : await ScriptedServer.start(ok());
  const client = clientOf(
    [s0.url, ...(s1 === undefined ? [] : [s1])],
    fault.name === "no headers" ? { headerTimeoutMs: limitMs } : {},
  );
  t.after(() => s1?.close());
  const result = await settled(write.call(new KeysAPI(client)));
  // nothing is sent any more after this
  await client.close();

  assert.equal(endingOf(result), expected);
  assert.deepEqual(
    s0.requests(),
    Array.from({ length: counts.s0 }, () => write.request),
  );
  assert.equal(s0.connections(), fault.s0 === "refuses" ? 0 : 1);
  assert.deepEqual(
    s1?.requests.map(lineOf) ?? [],
    Array.from({ length: counts.s1 ?? 0 }, () => write.request),
  );
}

interface Faulty {
  readonly url: string;
  readonly requests: () => readonly string[];
  readonly connections: () => number;
}

async function faulty(t: TestContext, { s0 }: Fault): Promise<Faulty> {
  if (s0 === "refuses") return { url: await refusedUrl(), requests: () => [], connections: () => 0 };
  if (s0 === "resets") return { ...(await resettingServer(t)), requests: () => [] };
  const sockets = new Set<Socket>();
  const server = await ScriptedServer.start((response, request, socket) => {
    sockets.add(socket);
    return s0(response, request, socket);
  });
  t.after(() => server.close());
  return { url: server.url, requests: () => server.requests.map(lineOf), connections: () => sockets.size };
}

function lineOf({
  method,
  target,
  body,
}: {
  readonly method: string;
  readonly target: string;
  readonly body: string;
}): string {
  return `${method} ${target} ${body}`;
}

function endingOf(result: unknown): string {
  if (result instanceof ClusterError) {
    assert.equal(result.code, "ERR_CLUSTER_UNAVAILABLE");
    assert.equal(result.errors.length, 1);
    const [error] = result.errors;
    assert.ok(error instanceof EndpointError);
    assert.equal(error.outcome, result.outcome);
    return `ClusterError ${error.code} ${result.outcome}`;
  }
  if (result instanceof ResponseError) return `ResponseError ${result.code} ${result.outcome}`;
  assert.ok(!(result instanceof Error), result as Error);
  return "S1";
}

for (const write of writes) {
  for (const [name, second] of [
    ["closed", closeUnanswered()],
    ["reset", resetUnanswered()],
  ] as const) {
    const ending = write.kind === "oneShot" ? "ClusterError ERR_NETWORK unknown" : "S1";
    test(`faults: ${write.name} on a kept connection that is ${name} after it was read -> ${ending}`, async (t) => {
      const sockets: Socket[] = [];
      const kept =
        (answer: Answer): Answer =>
        (response, request, socket) => {
          sockets.push(socket);
          return answer(response, request, socket);
        };
      const { keys, seen, counts } = await clusterOf(t, [[kept(ok()), kept(second), kept(ok())], [ok()]]);
      await keys.get("/k");
      assert.equal(endingOf(await settled(write.call(keys))), ending);
      assert.deepEqual(counts(), [2, ending === "S1" ? 1 : 0]);
      assert.equal(lineOf(seen(0)[1] ?? assert.fail()), write.request);
      assert.equal(sockets[0], sockets[1]);
    });
  }
}

test("faults: a read on a kept connection that is closed is sent again to the same endpoint, not to the next", async (t) => {
  const { keys, counts } = await clusterOf(t, [[ok(), closeUnanswered(), ok()], [ok()]]);
  await keys.get("/k");
  await keys.get("/k");
  assert.deepEqual(counts(), [3, 0]);
});

test("faults: if the TLS handshake never completes, nothing was sent, and a one-shot write fails over", async (t) => {
  let connections = 0;
  const mute = await listen(
    t,
    net.createServer({ pauseOnConnect: true }, () => connections++),
  );
  const s1 = await ScriptedServer.start(ok());
  const client = clientOf([`https://127.0.0.1:${String(mute.port)}`, s1], {
    headerTimeoutMs: limitMs,
  });
  t.after(() => Promise.all([client.close(), s1.close()]));
  await new KeysAPI(client).createInOrder("/q", "v");
  assert.equal(connections, 1);
  assert.equal(s1.requests.length, 1);
});

test("faults: https to a server that speaks plain HTTP: nothing was sent, and a one-shot write fails over", async (t) => {
  const { server } = await clusterOf(t, [[ok()], [ok()]]);
  const client = clientOf([server(0).url.replace("http:", "https:"), server(1)]);
  t.after(() => client.close());
  await new KeysAPI(client).createInOrder("/q", "v");
  assert.deepEqual([server(0).requests.length, server(1).requests.length], [0, 1]);
});

for (const fault of [
  { name: "refused, then 503", scripts: [reply(503, "")], outcome: "unknown", oneShot: [1] },
  {
    name: "refused, then 503, then closed",
    scripts: [reply(503, ""), closeUnanswered()],
    outcome: "unknown",
    oneShot: [1, 0],
  },
] as const) {
  test(`faults: ${fault.name} -> outcome unknown, whatever came first`, async (t) => {
    const { server, counts } = await clusterOf(
      t,
      fault.scripts.map((answer) => [answer]),
    );
    const endpoints = [await refusedUrl(), ...fault.scripts.map((_, i) => server(i))];
    const client = clientOf(endpoints);
    const other = clientOf(endpoints);
    t.after(() => Promise.all([client.close(), other.close()]));
    assert.equal((await rejection(new KeysAPI(client).createInOrder("/q", "v"), ClusterError)).outcome, fault.outcome);
    assert.deepEqual(counts(), fault.oneShot);
    const error = await rejection(new KeysAPI(other).set("/k", "v"), ClusterError);
    assert.equal(error.outcome, fault.outcome);
    assert.equal(error.errors.length, endpoints.length);
  });
}

test("faults: every endpoint refuses -> notApplied, also for one-shot writes", async (t) => {
  const client = clientOf([await refusedUrl(), await refusedUrl()]);
  t.after(() => client.close());
  const error = await rejection(new KeysAPI(client).createInOrder("/q", "v"), ClusterError);
  assert.equal(error.errors.length, 2);
  assert.equal(error.outcome, "notApplied");
});

test("faults: set, reset by S0 after it was read, S1 has no v2 API -> not notApplied: S0 may have applied it", async (t) => {
  const { keys, counts } = await clusterOf(t, [[resetUnanswered()], [reply(404, "404 page not found\n")]]);
  assert.equal(endingOf(await settled(keys.set("/k", "v"))), page);
  assert.deepEqual(counts(), [1, 1]);
});

test("faults: a read changes nothing: its outcome is always notApplied", async (t) => {
  const { keys } = await clusterOf(t, [[resetUnanswered()], [halfBody()], [raftTimeout()]]);
  assert.equal((await rejection(keys.get("/k"), ClusterError)).outcome, "notApplied");
});
