import assert from "node:assert/strict";
import type { Socket } from "node:net";
import test, { after, before, type TestContext } from "node:test";
import tls, { type TLSSocket } from "node:tls";
import { listen } from "../src/test-kit/loopback-server.js";
import { ClusterError, EndpointError, KeysAPI } from "../src/core/index.js";
import { rejection } from "../src/test-kit/scripted-cluster.js";
import { clientOf } from "../src/test-kit/scripted-server.js";
import { patience, until } from "../src/test-kit/waiting.js";
import { makeCertificates, pem, type Certificates } from "./certificates.js";

// TLS faults that a real etcd cannot be made to produce

let certificates: Certificates;

before(() => {
  certificates = makeCertificates();
});

after(() => {
  certificates[Symbol.dispose]();
});

interface Server {
  readonly port: number;
  /** How many requests it has received. */
  readonly requests: () => number;
}

/** Calls `answer` for every request, with the TLS connection and the socket below it. */
async function start(t: TestContext, answer: (secure: TLSSocket, raw: Socket) => unknown): Promise<Server> {
  let requests = 0;
  const sockets = new Map<number | undefined, Socket>();
  const options = { cert: pem(certificates.cert("server")), key: pem(certificates.key("server")) };
  const server = tls.createServer(options, (secure) => {
    secure.on("error", () => undefined);
    secure.on("data", () => {
      requests++;
      answer(secure, sockets.get(secure.remotePort) ?? assert.fail("no such connection"));
    });
  });
  server.on("connection", (raw: Socket) => sockets.set(raw.remotePort, raw));
  const { port } = await listen(t, server);
  return { port, requests: () => requests };
}

function keysOf(t: TestContext, url: string): KeysAPI {
  const client = clientOf([url], {
    tls: { ca: pem(certificates.cert("ca")) },
    headerTimeoutMs: 30_000,
    bodyIdleTimeoutMs: 30_000,
  });
  t.after(() => client.close());
  return new KeysAPI(client);
}

const body = '{"action":"get","node":{"key":"/k","value":"v","modifiedIndex":7,"createdIndex":7}}';
// the event is newer than the index at which the poll began
const head = "HTTP/1.1 200 OK\r\nX-Etcd-Index: 6\r\n";
const whole = `${head}Content-Length: ${String(body.length)}\r\n\r\n${body}`;

/** A record whose checksum is wrong, and one that is not TLS at all. */
const unreadable = {
  "with a wrong checksum": Buffer.from(`1703030020${"00".repeat(32)}`, "hex"),
  "that is not TLS": Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"),
};

for (const [what, record] of Object.entries(unreadable)) {
  test(`tls: a watch goes on after a record ${what}, before its headers and after them (FF18)`, async (t) => {
    for (const before of ["", `${head}Transfer-Encoding: chunked\r\n\r\n`]) {
      let spoiled = 0;
      const { port, requests } = await start(t, (secure, raw) => {
        if (spoiled++ >= 2) secure.write(whole);
        else if (before === "") raw.write(record);
        else secure.write(before, () => raw.write(record));
      });
      const keys = keysOf(t, `https://127.0.0.1:${String(port)}`);
      const watcher = keys.watcher("/k");
      const signal = patience(60_000);
      // before its headers it is a failure, which the caller repeats
      const event = await until("the event", () => watcher.next(signal).catch(unlessFinal));
      assert.equal(event.node.value, "v");
      assert.equal(requests(), 3);
    }
  });

  test(`tls: a call fails at once after a record ${what}, before its headers and in its body (FF18)`, async (t) => {
    for (const before of ["", `${head}Content-Length: 99\r\n\r\n`]) {
      const { port } = await start(t, (secure, raw) => {
        if (before === "") raw.write(record);
        else secure.write(before, () => raw.write(record));
      });
      const keys = keysOf(t, `https://127.0.0.1:${String(port)}`);
      assert.equal((await rejection(keys.get("/k"), ClusterError)).outcome, "notApplied");
      const { outcome, errors } = await rejection(keys.create("/k", "v"), ClusterError);
      assert.equal(outcome, "unknown");
      assert.ok(errors[0] instanceof EndpointError);
      assert.equal(errors[0].code, "ERR_NETWORK");
    }
  });
}

function unlessFinal(error: unknown): undefined {
  if (!(error instanceof ClusterError)) throw error;
}

test("tls: an IPv4 address that is written as an IPv6 one matches its certificate", async (t) => {
  const { port } = await start(t, (secure) => secure.write(whole));
  // the URL of ::ffff:127.0.0.1
  for (const host of ["[::ffff:7f00:1]", "127.0.0.1"]) {
    assert.equal((await keysOf(t, `https://${host}:${String(port)}`).get("/k")).node.value, "v");
  }
});

test("tls: an address as an endpoint prints no warning", async (t) => {
  const warnings: string[] = [];
  const onWarning = ({ message }: Error): void => {
    warnings.push(message);
  };
  process.on("warning", onWarning);
  t.after(() => process.off("warning", onWarning));
  const { port } = await start(t, (secure) => secure.write(whole));
  await keysOf(t, `https://127.0.0.1:${String(port)}`).get("/k");
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(warnings, []);
});
