import assert from "node:assert/strict";
import { once } from "node:events";
import http, { type Agent, type ClientRequest } from "node:http";
import net, { type Socket } from "node:net";
import test, { type TestContext } from "node:test";
import { text } from "node:stream/consumers";
import { listen } from "../../test-kit/loopback-server.js";
import { ok, reply, ScriptedServer, type Answer } from "../../test-kit/scripted-server.js";
import { quickReuse } from "./quick-reuse.js";

test("quick reuse: Node's agent still has the internals that it relies on", (t) => {
  const agent = newAgent(t);
  assert.ok(
    Object.hasOwn(agent, "addRequest"),
    "a Node update changed the internals of its agent: requests still work, but slowly (see bench/)",
  );
});

test("quick reuse: consecutive requests share one connection", async (t) => {
  await using server = await ScriptedServer.start(ok());
  const agent = newAgent(t);
  const reused = [];
  for (let i = 0; i < 5; i++) reused.push((await ask(agent, server.url)).reused);
  assert.deepEqual(reused, [false, true, true, true, true]);
  assert.equal(server.connections, 1);
});

test("quick reuse: concurrent requests open one connection each, and later requests reuse them", async (t) => {
  await using server = await ScriptedServer.start(ok());
  const agent = newAgent(t);
  for (let i = 0; i < 3; i++) await Promise.all(Array.from({ length: 20 }, () => ask(agent, server.url)));
  assert.equal(server.connections, 20);
});

test("quick reuse: each address has its own connections", async (t) => {
  await using one = await ScriptedServer.start(reply(200, "one"));
  await using other = await ScriptedServer.start(reply(200, "other"));
  const agent = newAgent(t);
  const bodies = [];
  for (const { url } of [one, other, one, other]) bodies.push((await ask(agent, url)).body);
  assert.deepEqual(bodies, ["one", "other", "one", "other"]);
  assert.deepEqual([one.connections, other.connections], [1, 1]);
});

for (const [how, end] of [
  ["closes", (socket: Socket) => socket.end()],
  ["resets", (socket: Socket) => socket.resetAndDestroy()],
] as const) {
  test(`quick reuse: a connection that the server ${how} while it is idle is not used again, and raises no late error`, async (t) => {
    let last: Socket | undefined;
    const answer: Answer = async (response, request, socket) => {
      last = socket;
      await ok()(response, request, socket);
    };
    await using server = await ScriptedServer.start(answer);
    const agent = newAgent(t);
    await ask(agent, server.url);
    const [socket] = Object.values(agent.sockets).flatMap((sockets) => sockets ?? []);
    assert.ok(socket !== undefined && last !== undefined);
    end(last);
    await closed(socket);
    assert.equal((await ask(agent, server.url)).reused, false);
  });
}

test("quick reuse: an idle connection is closed after the idle time, one in use is not", async (t) => {
  const slow: Answer = (response, request, socket) =>
    void setTimeout(() => void ok()(response, request, socket), 1_500);
  await using server = await ScriptedServer.start(ok(), slow, ok());
  const agent = newAgent(t, 1_000);
  await ask(agent, server.url);
  assert.equal(
    (await ask(agent, server.url)).reused,
    true,
    "it was silent for longer than it may be idle, but not idle",
  );
  await server.connectionsDownTo(0);
});

test("quick reuse: a connection is kept no longer than the server's Keep-Alive timeout", async (t) => {
  await using server = await ScriptedServer.start(reply(200, "", { "keep-alive": "timeout=1" }));
  const agent = newAgent(t);
  await ask(agent, server.url);
  assert.equal((await ask(agent, server.url)).reused, false);
  server.script(reply(200, "", { "keep-alive": "max=5, timeout=2" }));
  await ask(agent, server.url);
  assert.equal((await ask(agent, server.url)).reused, true);
  await server.connectionsDownTo(0);
});

test("quick reuse: a connection is not kept if the server announces that it will close it", async (t) => {
  await using server = await ScriptedServer.start(reply(200, "", { connection: "close" }));
  const agent = newAgent(t);
  for (let i = 0; i < 2; i++) assert.equal((await ask(agent, server.url)).reused, false);
  await server.connectionsDownTo(0);
});

test("quick reuse: an unsolicited response is not taken for the response to the next request", async (t) => {
  const sockets: Socket[] = [];
  const whole = (body: string): string => `HTTP/1.1 200 OK\r\ncontent-length: ${String(body.length)}\r\n\r\n${body}`;
  const server = net.createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined).on("data", () => socket.write(whole("asked for")));
  });
  const { url } = await listen(t, server);
  const agent = newAgent(t);
  await ask(agent, url);
  const [client] = Object.values(agent.sockets).flatMap((each) => each ?? []);
  assert.ok(client !== undefined);
  sockets[0]?.write(whole("planted"));
  await closed(client);
  assert.deepEqual(await ask(agent, url), { body: "asked for", reused: false });
  agent.destroy();
});

test("quick reuse: destroying the agent closes idle and active connections", async (t) => {
  await using server = await ScriptedServer.start(ok(), () => undefined);
  const agent = newAgent(t);
  await ask(agent, server.url);
  const pending = [ask(agent, server.url), ask(agent, server.url)].map((each) =>
    assert.rejects(each, { code: "ECONNRESET" }),
  );
  await server.received(3);
  agent.destroy();
  await Promise.all(pending);
  await server.connectionsDownTo(0);
});

test("quick reuse: an agent whose methods were replaced is left unchanged, and works", async (t) => {
  await using server = await ScriptedServer.start(ok());
  const agent = new http.Agent({ keepAlive: true });
  t.after(() => {
    agent.destroy();
  });
  agent.on("free", () => undefined);
  assert.equal(quickReuse(agent, 30_000), agent);
  assert.ok(!Object.hasOwn(agent, "addRequest"));
  for (const expected of [false, true]) assert.equal((await ask(agent, server.url)).reused, expected);
});

test("quick reuse: an agent that is left unchanged also closes idle connections in time", async (t) => {
  await using server = await ScriptedServer.start(ok());
  const agent = new http.Agent({ keepAlive: true });
  t.after(() => {
    agent.destroy();
  });
  agent.on("free", () => undefined);
  await ask(quickReuse(agent, 100), server.url);
  await server.connectionsDownTo(0);
});

test("quick reuse: a connection is reused only for the agent name it was created under", async (t) => {
  await using server = await ScriptedServer.start(ok());
  const agent = newAgent(t);
  const reused = [];
  for (const host of ["a", "b", "a"]) reused.push((await ask(agent, server.url, { host })).reused);
  assert.deepEqual(reused, [false, false, true]);
});

function newAgent(t: TestContext, idleMs = 30_000): Agent {
  const agent = quickReuse(new http.Agent({ keepAlive: true }), idleMs);
  t.after(() => {
    agent.destroy();
  });
  return agent;
}

/** Used instead of events.once, which would reject on the reset. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) =>
    socket.once("close", () => {
      resolve();
    }),
  );
}

async function ask(
  agent: Agent,
  url: string,
  headers: http.OutgoingHttpHeaders = {},
): Promise<{ readonly body: string; readonly reused: boolean }> {
  const request: ClientRequest = http.get(url, { agent, headers });
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  const body = await text(response);
  // the connection is released one turn of the event loop after the response ends
  await new Promise((resolve) => setImmediate(resolve));
  return { body, reused: request.reusedSocket };
}
