import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import test from "node:test";
import { ClusterError, EndpointError, ResponseError } from "../util/errors.js";
import { clusterOf, rejection } from "../test-kit/scripted-cluster.js";
import { ok, type Answer } from "../test-kit/scripted-server.js";
import { limitMs } from "../test-kit/waiting.js";

/** Sends that many parts of a body, or parts until the connection is closed, and counts the bytes that it was given to write. */
function streams(
  part: Buffer,
  { count = Infinity, status = 200, length }: { count?: number; status?: number; length?: number } = {},
): { readonly answer: Answer; readonly written: () => number; readonly closed: Promise<void> } {
  let written = 0;
  let close = (): void => undefined;
  const closed = new Promise<void>((resolve) => (close = resolve));
  const answer: Answer = async (response) => {
    response.once("close", close);
    response.writeHead(status, {
      "content-type": "application/json",
      ...(length !== undefined && { "content-length": length }),
    });
    response.flushHeaders();
    for (let i = 0; i < count && !response.destroyed; i++) {
      written += part.length;
      if (!response.write(part)) await drained(response);
    }
    response.end();
  };
  return { answer, written: () => written, closed };
}

async function drained(response: ServerResponse): Promise<void> {
  await Promise.race([once(response, "drain"), once(response, "close")]);
}

const limit = 100_000;
const part = Buffer.alloc(10_000, "x");

for (const [name, options] of [
  ["endless", {}],
  ["too long by its Content-Length", { length: limit + 1 }],
  ["too long by one byte", { count: 11 }],
] as const) {
  test(`body limit: a body that is ${name} is cut off, its connection closed, and the next call works (FF6)`, async (t) => {
    const { keys, server } = await clusterOf(t, [[]], { maxBodyBytes: limit });
    const stream = streams(part, options);
    server(0).script(stream.answer, ok());
    const error = await rejection(keys.get("/k"), ResponseError);
    assert.deepEqual([error.code, error.status, error.outcome], ["ERR_BODY_TOO_LARGE", 200, "notApplied"]);
    assert.match(error.message, /GET http:.*\/v2\/keys\/k was answered 200 .*100000 bytes.*maxBodyBytes/);
    await stream.closed;
    assert.equal((await keys.get("/k")).node.value, "v");
  });
}

test("body limit: a body of exactly the limit is read, whole or in parts (FF6)", async (t) => {
  const { client, server } = await clusterOf(t, [[]], { maxBodyBytes: limit });
  for (const length of [limit, undefined]) {
    server(0).script(streams(part, { count: 10, ...(length !== undefined && { length }) }).answer);
    const { body } = await client.send({ method: "GET", path: "/" });
    assert.equal(body.length, limit);
  }
});

test("body limit: 128 MiB by default, and nothing beyond it is read (FF6)", { timeout: 300_000 }, async (t) => {
  const { keys, server } = await clusterOf(t, [[]]);
  const mebibyte = 2 ** 20;
  const stream = streams(Buffer.alloc(mebibyte, "x"), { count: 530 });
  server(0).script(stream.answer, ok());
  assert.equal((await rejection(keys.get("/k"), ResponseError)).code, "ERR_BODY_TOO_LARGE");
  await stream.closed;
  // some of it waits in the sockets' buffers
  assert.ok(stream.written() < 160 * mebibyte, `${String(stream.written())} bytes were written`);
  await keys.get("/k");
});

test("body limit: without a limit, a body longer than a string can be is refused (FF6)", async (t) => {
  const { keys, server } = await clusterOf(t, [[]], { maxBodyBytes: Infinity });
  server(0).script(streams(part, { count: 1, length: 2 ** 30 }).answer, ok());
  assert.equal((await rejection(keys.get("/k"), ResponseError)).code, "ERR_BODY_TOO_LARGE");
  await keys.get("/k");
});

test("body limit: 200 MB of JSON are read when the limit is raised (FF6)", { timeout: 300_000 }, async (t) => {
  const { keys, server } = await clusterOf(t, [[]], { maxBodyBytes: 300_000_000 });
  const million = Buffer.alloc(1_000_000, "x");
  server(0).script(async (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.write('{"action":"get","node":{"key":"/k","modifiedIndex":7,"createdIndex":7,"value":"');
    for (let i = 0; i < 200; i++) if (!response.write(million)) await drained(response);
    response.end('"}}');
  });
  assert.equal((await keys.get("/k")).node.value.length, 200_000_000);
});

test("body limit: a write beyond it has an unknown outcome, and an error's body counts too (FF6)", async (t) => {
  const { keys, server } = await clusterOf(t, [[]], { maxBodyBytes: limit });
  for (const status of [201, 404, 412]) {
    server(0).script(streams(part, { status }).answer);
    for (const call of [() => keys.set("/k", "v"), () => keys.create("/k", "v"), () => keys.delete("/k")]) {
      const error = await rejection<ResponseError>(call(), ResponseError);
      assert.deepEqual([error.code, error.status, error.outcome], ["ERR_BODY_TOO_LARGE", status, "unknown"]);
    }
  }
});

test("body limit: a watch beyond it rejects and does not poll again (FF6)", async (t) => {
  const { keys, server, counts } = await clusterOf(t, [[]], { maxBodyBytes: limit });
  server(0).script(streams(part).answer);
  assert.equal((await rejection(keys.watcher("/k").next(), ResponseError)).code, "ERR_BODY_TOO_LARGE");
  assert.deepEqual(counts(), [1]);
});

test("body limit: a failing server is a failure whatever its body, and the next endpoint is tried (FF6)", async (t) => {
  const { keys, server, counts } = await clusterOf(t, [[], [ok()]], { maxBodyBytes: limit });
  server(0).script(streams(part, { status: 502 }).answer);
  await keys.get("/k");
  assert.deepEqual(counts(), [1, 1]);
});

test("body limit: the body of a redirect counts, and so does its target's (FF6)", async (t) => {
  const { keys, server } = await clusterOf(t, [[]], { maxBodyBytes: limit });
  const redirect: Answer = (response) => response.writeHead(307, { location: "/v2/keys/there" }).end();
  server(0).script(redirect, streams(part).answer);
  assert.equal((await rejection(keys.get("/k"), ResponseError)).code, "ERR_BODY_TOO_LARGE");
});

test("body limit: concurrent calls are not affected (FF6)", async (t) => {
  const { keys, server } = await clusterOf(t, [[]], { maxBodyBytes: limit });
  const endless = streams(part).answer;
  server(0).script((response, request, socket) =>
    (request.path.endsWith("/endless") ? endless : ok())(response, request, socket),
  );
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) => keys.get(i % 2 === 0 ? "/endless" : "/k")),
  );
  assert.deepEqual(
    results.map(({ status }) => status),
    Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? "rejected" : "fulfilled")),
  );
});

test("body timeout: a body that trickles forever is cut off, and its slot goes to the next call", async (t) => {
  const { keys, server } = await clusterOf(t, [[]], { bodyTimeoutMs: 1_000, maxInFlight: 1 });
  const trickle: Answer = (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const timer = setInterval(() => response.write(" "), 50);
    response.once("close", () => {
      clearInterval(timer);
    });
  };
  server(0).script(trickle, ok());
  const [stuck, behind] = [keys.get("/k"), keys.get("/k")];
  const { errors } = await rejection(stuck, ClusterError);
  assert.ok(errors[0] instanceof EndpointError);
  assert.equal(errors[0].code, "ERR_BODY_TIMEOUT");
  assert.match(errors[0].message, /did not finish its response within 1000 ms/);
  await behind;
});

test("body timeout: starts with the headers, and does not apply to a watch", async (t) => {
  const longer = limitMs + 500;
  const slow =
    (headersAfterMs: number, bodyAfterMs: number): Answer =>
    (response, ...rest) => {
      setTimeout(() => {
        response.writeHead(200, { "content-type": "application/json" });
        response.flushHeaders();
        setTimeout(() => ok()(Object.assign(response, { writeHead: () => response }), ...rest), bodyAfterMs);
      }, headersAfterMs);
    };
  const options = { bodyTimeoutMs: limitMs, headerTimeoutMs: Infinity };
  const [read, watched] = [
    await clusterOf(t, [[slow(longer, 0)]], options),
    await clusterOf(t, [[slow(0, longer)]], options),
  ];
  await Promise.all([read.keys.get("/k"), watched.keys.watcher("/k").next()]);
});
