import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { startCluster, type Cluster } from "./test-kit/etcd.js";
import { Nginx } from "./test-kit/nginx.js";
import { freePorts } from "./test-kit/server-process.js";
import { find } from "../scripts/servers/programs.mjs";
import {
  Client,
  ClusterError,
  EndpointError,
  KeysAPI,
  MembersAPI,
  type KeysResponse,
  type Watcher,
} from "../src/core/index.js";
import { rejection, settled } from "../src/test-kit/scripted-cluster.js";
import { HeaderWatch, patience, until } from "../src/test-kit/waiting.js";

let cluster: Cluster;
let nginx: Proxies;
const running: AsyncDisposable[] = [];

before(async () => {
  cluster = await startCluster({ bin: find("etcd") });
  running.push(cluster);
  nginx = await startNginx(cluster.endpoints);
  running.push(nginx.server);
});

after(async () => {
  for (const each of running.toReversed()) await each[Symbol.asyncDispose]();
});

for (const trap of ["short", "shortAndBuffered"] as const) {
  test(`nginx: a watch survives repeated read timeouts of the proxy, and loses nothing (${trap})`, async () => {
    await using client = new Client({ endpoints: [nginx[trap]] });
    await using direct = new Client({ endpoints: cluster.endpoints });
    const keys = new KeysAPI(direct);
    const dir = `/${trap}`;
    const { index } = await keys.set(`${dir}/before`, "0");
    const watcher = new KeysAPI(client).watcher(dir, { afterIndex: index, recursive: true });
    const seen: KeysResponse[] = [];
    const abort = new AbortController();
    const watching = (async () => {
      for (;;) seen.push(await nextOf(watcher, abort.signal));
    })();
    const cutsBefore = nginx.cuts();
    for (let i = 1; i <= 3; i++) {
      // the poll was cut at least once more since the last event
      await until("nginx cuts the watch", () => nginx.cuts() >= cutsBefore + i);
      await keys.set(`${dir}/${String(i)}`, String(i));
      await until("its event arrives", () => seen.length === i);
    }
    abort.abort();
    await assert.rejects(watching, (error) => error === abort.signal.reason);
    assert.deepEqual(
      seen.map(({ node }) => node.value),
      ["1", "2", "3"],
    );
  });
}

test("nginx: a from-now watch loses no event that happens while it is cut", async () => {
  await using client = new Client({ endpoints: [nginx.short] });
  await using direct = new Client({ endpoints: cluster.endpoints });
  const keys = new KeysAPI(direct);
  const heard = new HeaderWatch(client);
  const watcher = new KeysAPI(heard).watcher("/now");
  const came = heard.headers();
  const pending = nextOf(watcher, patience(60_000));
  await came;
  const cutsBefore = nginx.cuts();
  await until("nginx cuts the watch", () => nginx.cuts() > cutsBefore);
  await keys.set("/now", "v");
  assert.equal((await pending).node.value, "v");
});

test("nginx: reads, writes, conditions and members work through it", async () => {
  await using client = new Client({ endpoints: [nginx.good] });
  const keys = new KeysAPI(client);
  const { node } = await keys.set("/a b/é%?", "v&w");
  assert.equal(node.key, "/a b/é%?");
  assert.equal((await keys.set("/a b/é%?", "w", { prevValue: "v&w" })).action, "compareAndSwap");
  assert.equal((await keys.createInOrder("/queue", "j")).action, "create");
  assert.equal((await keys.delete("/a b", { recursive: true })).action, "delete");
  assert.equal((await new MembersAPI(client).list()).length, 1);
});

test("nginx: with no server behind it, its error page is a ClusterError with its status, and writes are unknown", async () => {
  const [member] = cluster.members;
  await member?.terminate();
  await using client = new Client({ endpoints: [nginx.good] });
  const error = await rejection(new KeysAPI(client).create("/k", "v"), ClusterError);
  assert.equal(error.outcome, "unknown");
  assert.deepEqual(
    error.errors.map((attempt) => attempt instanceof EndpointError && [attempt.code, attempt.status]),
    [["ERR_SERVER", 502]],
  );
  await member?.start();
});

/** The next event. Calls `next` again if nginx timed out before etcd sent its headers. */
async function nextOf(watcher: Watcher, signal: AbortSignal): Promise<KeysResponse> {
  for (;;) {
    const event = await settled(watcher.next(signal));
    if (!(event instanceof Error)) return event as KeysResponse;
    if (
      !(event instanceof ClusterError) ||
      !event.errors.every((each) => each instanceof EndpointError && each.status === 504)
    )
      throw event;
  }
}

/** An nginx in front of a cluster, with three ports. */
async function startNginx(endpoints: readonly string[]): Promise<Proxies> {
  const [good = 0, short = 0, buffered = 0] = await freePorts(3);
  const urlOf = (port: number): string => `http://127.0.0.1:${String(port)}`;
  const upstreams = endpoints.map((endpoint) => `server ${new URL(endpoint).host} max_fails=0;`).join(" ");
  const proxy = (port: number, settings: string): string =>
    `server { listen 127.0.0.1:${String(port)}; location / { proxy_pass http://etcd; ${settings} } }`;
  const server = new Nginx({
    main: () => "worker_processes 1;",
    http: () => `
      upstream etcd { ${upstreams} keepalive 16; }
      proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_connect_timeout 1s;
      ${proxy(good, "proxy_buffering off; proxy_read_timeout 1h;")}
      ${proxy(short, "proxy_buffering off; proxy_read_timeout 1s;")}
      ${proxy(buffered, "proxy_read_timeout 1s;")}`,
    isUp: async () => (await fetch(`${urlOf(good)}/version`)).ok,
  });
  await server.start();
  return {
    server,
    good: urlOf(good),
    short: urlOf(short),
    shortAndBuffered: urlOf(buffered),
    cuts: () => server.errors().split("upstream timed out").length - 1,
  };
}

interface Proxies {
  readonly server: Nginx;
  /** With the settings that watches need. */
  readonly good: string;
  /** Cuts connections that are silent for a second. */
  readonly short: string;
  /** Also holds a watch's headers back until it cuts. */
  readonly shortAndBuffered: string;
  /** How many responses it has cut so far. */
  readonly cuts: () => number;
}
