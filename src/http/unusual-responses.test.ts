import assert from "node:assert/strict";
import net, { type Socket } from "node:net";
import test from "node:test";
import { listen } from "../test-kit/loopback-server.js";
import { EndpointError } from "../util/errors.js";
import type { RequestSpec } from "./exchange.js";
import { gotExchange } from "./got/got-exchange.js";

const read: RequestSpec = { method: "GET", path: "/" };
const write: RequestSpec = { method: "PUT", path: "/", body: "v" };
const poll: RequestSpec = { method: "GET", path: "/", longPoll: true };

/** What a server writes, and the expected outcome of a read, a write and a long poll. */
const cases: readonly (readonly [
  what: string,
  answer: (socket: Socket) => unknown,
  outcomes: readonly [string, string, string],
])[] = [
  [
    "101 Switching Protocols, which was not requested",
    (socket) => socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    ["ERR_NETWORK notApplied", "ERR_NETWORK unknown", "ERR_NETWORK notApplied"],
  ],
  [
    "no HTTP",
    (socket) => socket.end("hello\r\n"),
    ["ERR_NETWORK notApplied", "ERR_NETWORK unknown", "ERR_NETWORK notApplied"],
  ],
  [
    "half a body, then the end",
    (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"),
    ["ERR_NETWORK notApplied", "ERR_NETWORK unknown", "200 truncated"],
  ],
  [
    "a chunk without a size, in one packet with the head",
    (socket) => socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nfoo"),
    ["ERR_NETWORK notApplied", "ERR_NETWORK unknown", "200 truncated"],
  ],
  [
    "a body that ends with the connection",
    (socket) => socket.end("HTTP/1.1 200 OK\r\n\r\nabc"),
    ["200 abc", "200 abc", "200 abc"],
  ],
  [
    "103 first",
    (socket) => socket.write("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ["200 ok", "200 ok", "200 ok"],
  ],
];

for (const [what, answer, outcomes] of cases) {
  for (const [i, [kind, spec]] of (
    [
      ["a read", read],
      ["a write", write],
      ["a long poll", poll],
    ] as const
  ).entries()) {
    test(`unusual responses: ${what}: ${kind} -> ${outcomes[i] ?? ""}`, { timeout: 300_000 }, async (t) => {
      const server = net.createServer((socket) =>
        socket.on("error", () => undefined).once("data", () => answer(socket)),
      );
      const { url } = await listen(t, server);
      const exchange = gotExchange();
      t.after(() => exchange.close?.());
      const outcome = await exchange(new URL(url), spec, undefined).then(
        ({ status, body, truncated }) => `${String(status)} ${truncated === true ? "truncated" : body}`,
        (error: unknown) => (error instanceof EndpointError ? `${error.code} ${error.outcome}` : String(error)),
      );
      assert.equal(outcome, outcomes[i]);
    });
  }
}
