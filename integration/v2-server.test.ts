import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import test from "node:test";
import { promisify } from "node:util";
import { startCluster } from "./test-kit/etcd.js";
import { find } from "../scripts/servers/programs.mjs";
import { Client, KeysAPI, MembersAPI, UsageError } from "../src/core/index.js";
import { clientStore, createV2Server } from "../src/server/index.js";
import { patience, until } from "../src/test-kit/waiting.js";
import { v3Protocol } from "../src/v3/index.js";
import { makeCertificates } from "./certificates.js";

test("v2 server: etcdctl for v2 works on an etcd without the v2 API (V93)", async () => {
  await using cluster = await startCluster({ bin: find("etcd"), enableV2: false });
  await using client = new Client({ endpoints: cluster.endpoints, protocol: v3Protocol() });
  await using server = createV2Server({ store: clientStore(client) });
  const url = await server.listen({ port: 0 });
  const etcdctl = async (...args: readonly string[]): Promise<string> => {
    const env = { PATH: process.env["PATH"], ETCDCTL_API: "2" };
    const { stdout } = await promisify(execFile)(find("etcdctl"), ["--endpoints", url, ...args], {
      env,
      timeout: 300_000,
    });
    return stdout.trimEnd();
  };
  const refused = (...args: readonly string[]): Promise<unknown> => etcdctl(...args).catch((error: unknown) => error);

  assert.equal(await etcdctl("set", "/a/b", "1"), "1");
  assert.equal(await etcdctl("get", "/a/b"), "1");
  assert.equal(await etcdctl("mk", "/a/c", "2"), "2");
  assert.match(String(await refused("mk", "/a/c", "3")), /105.*Key already exists/);
  assert.equal(await etcdctl("update", "/a/c", "3"), "3");
  assert.equal(await etcdctl("set", "--swap-with-value", "3", "/a/c", "4"), "4");
  assert.match(String(await refused("set", "--swap-with-value", "3", "/a/c", "5")), /101.*Compare failed/);
  await etcdctl("mkdir", "/d/e");
  assert.deepEqual((await etcdctl("ls", "--recursive", "--sort", "-p", "/")).split("\n"), [
    "/a/",
    "/a/b",
    "/a/c",
    "/d/",
    "/d/e/",
  ]);
  assert.match(await etcdctl("-o", "extended", "get", "/a/b"), /Index: \d+\n.*1$/s);
  const watched = etcdctl("watch", "--recursive", "/a");
  await until("etcdctl has the event", async () => {
    await etcdctl("set", "/a/w", "seen");
    return Promise.race([watched.then(() => true), new Promise<false>((resolve) => setTimeout(resolve, 50, false))]);
  });
  assert.match(await watched, /seen/);
  await etcdctl("rmdir", "/d/e");
  await etcdctl("rm", "--recursive", "/a");
  assert.match(String(await refused("get", "/a/b")), /100.*Key not found/);
  assert.match(await etcdctl("member", "list"), new RegExp(`clientURLs=${url}`));
  assert.match(await etcdctl("cluster-health"), /cluster is healthy/);
});

test("v2 server: a client that syncs stays with it; while etcd is down it returns 500 with 300, and then goes on (V98)", async () => {
  await using cluster = await startCluster({ bin: find("etcd"), enableV2: false });
  const [member] = cluster.members;
  await using client = new Client({ endpoints: cluster.endpoints, protocol: v3Protocol(), headerTimeoutMs: 2_000 });
  await using server = createV2Server({ store: clientStore(client) });
  const url = await server.listen({ port: 0 });
  await using outside = new Client({ endpoints: [url] });
  const keys = new KeysAPI(outside);
  const { index } = await keys.set("/k", "1");
  await outside.sync();
  assert.deepEqual(outside.endpoints, [url]);
  assert.deepEqual(
    (await new MembersAPI(outside).list()).flatMap(({ clientURLs }) => clientURLs),
    [url],
  );
  const watcher = keys.watcher("/k", { afterIndex: index });
  // an open poll ends empty; the next one gets 500, and the watcher goes on where it was
  const event = until("the watcher has the event", () => watcher.next(patience(60_000)).catch(() => undefined));
  await member?.kill();
  const response = await fetch(`${url}/v2/keys/k`);
  const body = (await response.json()) as { readonly errorCode: number; readonly cause: string };
  assert.deepEqual([response.status, body.errorCode], [500, 300]);
  assert.match(body.cause, /ECONNREFUSED/);
  assert.match(response.headers.get("x-etcd-cluster-id") ?? "", /^[\da-f]{8,16}$/);
  await member?.start();
  await until("a write gets through", () =>
    keys.set("/k", "2").then(
      () => true,
      () => false,
    ),
  );
  assert.equal((await event).node.value, "2");
});

test("v2 server: it listens on 127.0.0.1, ends polls empty when it closes, limits concurrent requests, and refuses bad options", async () => {
  await using cluster = await startCluster({ bin: find("etcd"), enableV2: false });
  await using client = new Client({ endpoints: cluster.endpoints, protocol: v3Protocol() });
  const server = createV2Server({ store: clientStore(client), maxRequests: 1 });
  const url = await server.listen({ port: 0 });
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const poll = await fetch(`${url}/v2/keys/none?wait=true`);
  assert.equal((await fetch(`${url}/v2/keys/`)).status, 503);
  await server.close();
  assert.equal(await poll.text(), "");
  await assert.rejects(fetch(`${url}/v2/keys/`));
  assert.throws(() => createV2Server(wrong(undefined)), UsageError);
  assert.throws(() => createV2Server({ store: wrong({}) }), UsageError);
  assert.throws(() => createV2Server({ store: clientStore(client), advertise: ["no URL"] }), UsageError);
  assert.throws(() => clientStore(wrong("http://127.0.0.1:2379")), UsageError);
  await assert.rejects(createV2Server({ store: clientStore(client) }).listen({ port: 70_000 }), UsageError);
});

test("v2 server: over TLS close ends connections without a request, and those that are stuck in their handshake", async () => {
  using certificates = makeCertificates();
  await using cluster = await startCluster({ bin: find("etcd"), enableV2: false });
  await using client = new Client({ endpoints: cluster.endpoints, protocol: v3Protocol() });
  const tls = { cert: readFileSync(certificates.cert("server")), key: readFileSync(certificates.key("server")) };
  const server = createV2Server({ store: clientStore(client), closeTimeoutMs: 100 });
  const url = await server.listen({ port: 0, tls });
  await using outside = new Client({ endpoints: [url], tls: { ca: readFileSync(certificates.cert("ca")) } });
  assert.equal((await new KeysAPI(outside).set("/k", "1")).node.value, "1");
  const stuck = connect(Number(new URL(url).port), "127.0.0.1");
  await once(stuck, "connect");
  const gone = once(stuck, "close");
  await server.close();
  await gone;
});

/** A wrong argument, past the compiler. */
function wrong(value: unknown): never {
  return value as never;
}
