import assert from "node:assert/strict";
import test from "node:test";
import { ClusterError, ResponseError } from "../util/errors.js";
import { startChild } from "../test-kit/child.js";
import { clusterOf, gate, rejection } from "../test-kit/scripted-cluster.js";
import { closeUnanswered, halfBody, ok, reply, silence, type Answer } from "../test-kit/scripted-server.js";
import type { ConnectionHold, Exchange, RequestSpec, ResponseHead } from "./exchange.js";

const read: RequestSpec = { method: "POST", path: "/v3/kv/range", body: "{}", readOnly: true };
const stream: RequestSpec = { method: "POST", path: "/v3/watch", body: "{}", readOnly: true, longPoll: true };

/** Good headers, then each part when the one before it has been taken. */
function parts(...texts: readonly string[]): Answer {
  return async (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    for (const text of texts) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      response.write(text);
    }
  };
}

function collector(until: string): { readonly onPart: (part: Uint8Array) => boolean; readonly text: () => string } {
  let text = "";
  return {
    onPart: (part) => {
      text += new TextDecoder().decode(part);
      return text.includes(until);
    },
    text: () => text,
  };
}

test("onPart: receives the parts of a stream as they arrive, and can end it", async (t) => {
  const { client, server } = await clusterOf(t, [[parts("a\n", "b\n", "end\n", "more\n")]]);
  const { onPart, text } = collector("end");
  const { status, body, truncated } = await client.send({ ...stream, onPart });
  assert.deepEqual([status, body, truncated, text()], [200, "", true, "a\nb\nend\n"]);
  await server(0).connectionsDownTo(0);
});

test("onPart: a response that ends normally is not truncated, and its parts are not kept", async (t) => {
  const { client } = await clusterOf(t, [[reply(200, "all of it")]]);
  const { onPart, text } = collector("never");
  const { body, truncated } = await client.send({ ...stream, onPart });
  assert.deepEqual([body, truncated, text()], ["", undefined, "all of it"]);
});

test("onPart: does not receive the body of an error response, which is kept", async (t) => {
  const { client } = await clusterOf(t, [[reply(400, "refused")]]);
  const { onPart, text } = collector("never");
  const { status, body } = await client.send({ ...stream, onPart });
  assert.deepEqual([status, body, text()], [400, "refused", ""]);
});

test("onPart: what it throws rejects the request unchanged", async (t) => {
  const { client, server } = await clusterOf(t, [[parts("a", "b")]]);
  const reason = new RangeError("not this");
  const onPart = (): boolean => {
    throw reason;
  };
  await assert.rejects(client.send({ ...stream, onPart }), (error) => error === reason);
  await server(0).connectionsDownTo(0);
});

test("onPart: a stream that breaks off is truncated, and has no limit on its length", async (t) => {
  const long = "x".repeat(5_000);
  const { client, server } = await clusterOf(t, [[halfBody()]], { maxBodyBytes: 1_000 });
  const { onPart } = collector("never");
  assert.equal((await client.send({ ...stream, onPart })).truncated, true);
  server(0).script(reply(200, long));
  const taken = collector("never");
  await client.send({ ...stream, onPart: taken.onPart });
  assert.equal(taken.text(), long);
});

test("readOnly: a read-only POST that met a dead connection is sent again, another POST is not", async (t) => {
  const { client, server } = await clusterOf(t, [[reply(200, "{}")]]);
  await client.send(read);
  server(0).script(closeUnanswered(), reply(200, "{}"));
  await client.send(read);
  await client.send(read);
  server(0).script(closeUnanswered(), reply(200, "{}"));
  const { readOnly: _, ...write } = read;
  assert.equal((await rejection(client.send({ ...write, oneShot: true }), ClusterError)).outcome, "unknown");
});

test("readOnly: a read-only POST that failed was not applied", async (t) => {
  const { client, server } = await clusterOf(t, [[silence()]], { maxBodyBytes: 10 });
  const brief = { ...read, limits: { headersMs: 200, idleMs: Infinity } };
  assert.equal((await rejection(client.send(brief), ClusterError)).outcome, "notApplied");
  server(0).script(closeUnanswered());
  assert.equal((await rejection(client.send(read), ClusterError)).outcome, "notApplied");
  server(0).script(reply(200, "x".repeat(11)));
  assert.equal((await rejection(client.send(read), ResponseError)).outcome, "notApplied");
});

test("request spec: call and note reach the transport unchanged", async (t) => {
  const seen: RequestSpec[] = [];
  const transport: Exchange = (_url, spec) => {
    seen.push(spec);
    return Promise.resolve({ status: 200, headers: {}, body: "{}" });
  };
  const { client } = await clusterOf(t, [[]], { transport });
  const call = { kind: "get", key: "/k", recursive: false, sort: false, quorum: true } as const;
  await client.send({ method: "GET", path: "/v2/keys/k", call, note: "get /k" });
  assert.deepEqual([seen[0]?.call, seen[0]?.note], [call, "get /k"]);
});

test("onHeaders: receives the connection, whose unref() lets the process end during the request", async (t) => {
  const { server } = await clusterOf(t, [[ok()]]);
  const { opened, open } = gate();
  server(0).script((response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    open();
  });
  const child = startChild(t, "unref-programs.js", [server(0).url]);
  await opened;
  const { status, stderr } = await child.ended;
  assert.deepEqual([status, stderr], [0, ""]);
});

test("onHeaders: ref and unref may be called at any time, even after the request", async (t) => {
  const { client, keys, server } = await clusterOf(t, [[ok()]]);
  const held: (ConnectionHold | undefined)[] = [];
  const onHeaders = (_head: ResponseHead, connection?: ConnectionHold): void => {
    connection?.unref();
    connection?.ref();
    held.push(connection);
  };
  await client.send({ method: "GET", path: "/v2/keys/k", onHeaders });
  for (const connection of held) {
    assert.ok(connection !== undefined);
    connection.ref();
    connection.unref();
  }
  await keys.get("/k");
  assert.equal(server(0).connections, 1);
});
