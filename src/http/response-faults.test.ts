import assert from "node:assert/strict";
import net, { type Socket } from "node:net";
import test, { type TestContext } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { listen } from "../test-kit/loopback-server.js";
import { KeysAPI } from "../core/keys.js";
import { ClusterError, ResponseError } from "../util/errors.js";
import { clusterOf, rejection } from "../test-kit/scripted-cluster.js";
import { clientOf, ok, okBody, reply, type Answer } from "../test-kit/scripted-server.js";

/** A client of a server that answers each request with the given bytes, split into that many packets. */
async function keysAnswered(t: TestContext, answer: (socket: Socket) => unknown): Promise<KeysAPI> {
  const server = net.createServer((socket) => socket.on("error", () => undefined).on("data", () => answer(socket)));
  const client = clientOf([await listen(t, server)]);
  t.after(() => client.close());
  return new KeysAPI(client);
}

const body = JSON.stringify(okBody);

function whole(more = ""): string {
  return `HTTP/1.1 200 OK\r\n${more}Content-Length: ${String(body.length)}\r\n\r\n${body}`;
}

for (const [encoding, compress] of [
  ["gzip", gzipSync],
  ["br", brotliCompressSync],
  ["deflate", deflateSync],
  ["x-own", (text: string) => Buffer.from(text)],
] as const) {
  for (const status of [200, 404, 412]) {
    test(`responses: the error for a response encoded as ${encoding}, with status ${String(status)}, names the encoding (FF42)`, async (t) => {
      const bytes = compress(body);
      const encoded: Answer = (response) => response.writeHead(status, { "content-encoding": encoding }).end(bytes);
      const { keys, server, seen } = await clusterOf(t, [[encoded]]);
      for (const call of [() => keys.get("/k"), () => keys.watcher("/k").next()]) {
        const error = await rejection<ResponseError>(call(), ResponseError);
        assert.deepEqual([error.code, error.status, error.outcome], ["ERR_CONTENT_ENCODING", status, "notApplied"]);
        assert.ok(error.message.includes(encoding), error.message);
      }
      assert.equal((await rejection(keys.create("/k", "v"), ResponseError)).outcome, "unknown");
      server(0).script(ok());
      await keys.get("/k");
      // the responses were read to the end: one connection for calls, one for the watch
      assert.equal(server(0).connections, 2);
      assert.equal(seen(0)[0]?.headers["accept-encoding"], "identity");
    });
  }
}

test("responses: an encoded body hides neither a server error nor a redirect, and identity is not an encoding (FF42)", async (t) => {
  const gzip = { "content-encoding": "gzip" };
  const { keys, server, counts } = await clusterOf(t, [[reply(503, "busy", gzip)], [ok()]]);
  await keys.get("/k");
  assert.deepEqual(counts(), [1, 1]);
  server(1).script(reply(307, "there", { ...gzip, location: "/v2/keys/there" }), ok());
  await keys.get("/k");
  server(1).script(reply(200, okBody, { "content-encoding": "identity" }));
  await keys.get("/k");
});

const interim: Readonly<Record<string, string>> = {
  "a 100": "HTTP/1.1 100 Continue\r\n\r\n",
  "two of 100": "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
  "a 100 with headers": "HTTP/1.1 100 Go on\r\nServer: x\r\nX-Y: z\r\n\r\n",
  "a 103, then a 100": "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
};

for (const [what, before] of Object.entries(interim)) {
  test(`responses: ${what} before the final one is skipped (FF43)`, async (t) => {
    const keys = await keysAnswered(t, (socket) => socket.write(before + whole()));
    for (let i = 0; i < 3; i++) await keys.get("/k");
    await keys.set("/k", "v");
    await keys.create("/k", "v");
    await keys.watcher("/k").next();
  });
}

test("responses: a 100 is skipped wherever the packets are cut (FF43)", async (t) => {
  const bytes = `${interim["a 103, then a 100"] ?? ""}${whole()}`;
  const cuts = bytes.indexOf("200 OK") + 5;
  let at = 0;
  const keys = await keysAnswered(t, (socket) => {
    socket.setNoDelay(true).write(bytes.slice(0, at), () => setImmediate(() => socket.write(bytes.slice(at))));
  });
  for (at = 1; at < cuts; at++) await keys.get("/k");
});

test("responses: a 100 that nothing follows is a failure (FF43)", async (t) => {
  const keys = await keysAnswered(t, (socket) => socket.end("HTTP/1.1 100 Continue\r\n\r\n"));
  assert.equal((await rejection(keys.get("/k"), ClusterError)).outcome, "notApplied");
  assert.equal((await rejection(keys.create("/k", "v"), ClusterError)).outcome, "unknown");
});

const cuts: Readonly<Record<string, (socket: Socket) => unknown>> = {
  "by length, and the connection is closed": (socket) => socket.end(whole().slice(0, -10)),
  "by length, and the connection is reset": (socket) =>
    socket.write(whole().slice(0, -10), () => setTimeout(() => socket.resetAndDestroy(), 50)),
  "in chunks, and the connection is closed": (socket) =>
    socket.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"act`),
};

for (const [what, answer] of Object.entries(cuts)) {
  test(`responses: the error for a truncated body says that it was truncated (${what}) (FF45)`, async (t) => {
    const keys = await keysAnswered(t, answer);
    for (const [call, outcome] of [
      [() => keys.get("/k"), "notApplied"],
      [() => keys.create("/k", "v"), "unknown"],
    ] as const) {
      const error = await rejection<ClusterError>(call(), ClusterError);
      assert.equal(error.outcome, outcome);
      assert.match(error.errors[0]?.message ?? "", / failed: the connection was closed in the middle of the response$/);
    }
  });
}

for (const [what, header] of [
  ["a space", "X-Etcd-Index: 7 \r\n"],
  ["a tab", "X-Etcd-Index:7\t\r\n"],
  ["white space before and after", "X-Etcd-Index: \t 7 \t \r\n"],
  ["white space, and comes twice", "X-Etcd-Index: 7 \r\nX-Etcd-Index: 7 \r\n"],
] as const) {
  test(`responses: a header that has ${what} around its value is read (FF46)`, async (t) => {
    const keys = await keysAnswered(t, (socket) => socket.write(whole(header)));
    assert.equal((await keys.get("/k")).index, 7);
    assert.equal((await keys.set("/k", "v")).index, 7);
  });
}

test("responses: the error for a server that does not speak HTTP says so (mistakes)", async (t) => {
  const keys = await keysAnswered(t, (socket) => socket.end("-ERR unknown command\r\n"));
  const { message, outcome } = await rejection(keys.get("/k"), ClusterError);
  assert.match(message, /the server does not speak HTTP\/1\.1/);
  assert.equal(outcome, "notApplied");
});
