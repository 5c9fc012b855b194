import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { startCluster, type Cluster } from "./test-kit/etcd.js";
import { find } from "../scripts/servers/programs.mjs";
import { atExit } from "../scripts/run.mjs";
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
let nginx: Nginx;
const running: AsyncDisposable[] = [];

before(async () => {
  cluster = await startCluster({ bin: find("etcd") });
  running.push(cluster);
  nginx = await Nginx.start(cluster.endpoints);
  running.push(nginx);
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

/** nginx in front of a cluster, with three ports. */
class Nginx implements AsyncDisposable {
  readonly #folder: string;
  readonly #process: ChildProcess;
  readonly #forget: () => void;
  readonly #ports: readonly number[];

  static async start(endpoints: readonly string[]): Promise<Nginx> {
    const ports = await freePorts(3);
    const folder = mkdtempSync(join(tmpdir(), "etcd2-nginx-"));
    mkdirSync(join(folder, "tmp"));
    writeFileSync(join(folder, "nginx.conf"), configuration(folder, ports, endpoints));
    const log = openSync(join(folder, "log"), "a");
    const child = spawn(
      find("nginx"),
      ["-p", folder, "-e", join(folder, "error.log"), "-c", join(folder, "nginx.conf")],
      { stdio: ["ignore", log, log] },
    );
    closeSync(log);
    const nginx = new Nginx(folder, child, ports);
    let failure: string | undefined;
    child.once("error", (error) => (failure = `nginx did not start: ${error.message}`));
    child.once("exit", () => (failure = `nginx ended: ${readFileSync(join(folder, "log"), "utf8")}`));
    await until("nginx answers", () => {
      if (failure !== undefined) throw new Error(failure);
      return fetch(`${nginx.good}/version`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
    return nginx;
  }

  private constructor(folder: string, process: ChildProcess, ports: readonly number[]) {
    this.#folder = folder;
    this.#process = process;
    this.#ports = ports;
    this.#forget = atExit(() => {
      // SIGKILL would leave its workers behind
      process.kill("SIGTERM");
      rmSync(folder, { recursive: true, force: true });
    });
  }

  /** With the settings that watches need. */
  get good(): string {
    return this.#url(0);
  }

  /** Cuts connections that are silent for a second. */
  get short(): string {
    return this.#url(1);
  }

  /** Also holds a watch's headers back until it cuts. */
  get shortAndBuffered(): string {
    return this.#url(2);
  }

  /** How many responses it has cut so far. */
  cuts(): number {
    return readFileSync(join(this.#folder, "error.log"), "utf8").split("upstream timed out").length - 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await ended;
    this.#forget();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #url(port: number): string {
    return `http://127.0.0.1:${String(this.#ports[port])}`;
  }
}

function configuration(
  folder: string,
  [good, short, buffered]: readonly number[],
  endpoints: readonly string[],
): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((what) => `${what}_temp_path ${folder}/tmp;`)
    .join(" ");
  const upstreams = endpoints.map((endpoint) => `server ${new URL(endpoint).host} max_fails=0;`).join(" ");
  const proxy = (port: number | undefined, settings: string): string =>
    `server { listen 127.0.0.1:${String(port)}; location / { proxy_pass http://etcd; ${settings} } }`;
  return `
    worker_processes 1; daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log warn;
    events { worker_connections 256; }
    http {
      access_log off; ${temporary}
      upstream etcd { ${upstreams} keepalive 16; }
      proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_connect_timeout 1s;
      ${proxy(good, "proxy_buffering off; proxy_read_timeout 1h;")}
      ${proxy(short, "proxy_buffering off; proxy_read_timeout 1s;")}
      ${proxy(buffered, "proxy_read_timeout 1s;")}
    }
  `;
}

/** Below 32768, like the ports of the members. */
async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  for (let port = 9_000 + (process.pid % 900); ports.length < count; port++) {
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once("error", () => {
        resolve(false);
      });
      server.listen(port, "127.0.0.1", () => {
        resolve(true);
      });
    });
    if (!free) continue;
    ports.push((server.address() as AddressInfo).port);
    server.close();
    await once(server, "close");
  }
  return ports;
}
