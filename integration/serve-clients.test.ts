// Programs written by others against v2, on `etcd2 serve` in front of an etcd that has no v2 API. Each does the same on a
// real v2 server.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { promisify } from "node:util";
import { projectRoot } from "../scripts/run.mjs";
import { startCluster, type Cluster } from "./test-kit/etcd.js";
import { buildGo } from "./go-client.js";
import { find } from "../scripts/servers/programs.mjs";
import { until } from "../src/test-kit/waiting.js";
import { findPythonEtcd } from "./python-etcd.js";
import { startServe, type Serving } from "./serve-support.js";

const run = promisify(execFile);
const limits = { timeout: 180_000 };
const clients = join(projectRoot, "integration", "clients");

let real: Cluster | undefined;
let plain: Cluster | undefined;
let serving: Serving | undefined;
before(async () => {
  const bin = find("etcd");
  [real, plain] = await Promise.all([startCluster({ bin, enableV2: true }), startCluster({ bin, enableV2: false })]);
  serving = await startServe(plain.endpoints);
});
after(async () => {
  await serving?.[Symbol.asyncDispose]();
  await Promise.all([real?.stop(), plain?.stop()]);
});

/** The two servers: v2's own, and ours. */
function servers(): { readonly v2: string; readonly served: string } {
  return { v2: real?.endpoints[0] ?? "", served: serving?.url ?? "" };
}

test("serve: Debian's python3-etcd does the same as on a v2 server, locks included (V94)", limits, async () => {
  const { python, env } = findPythonEtcd();
  const { v2, served } = servers();
  for (const url of [v2, served]) {
    const args = [join(clients, "python3-etcd.py"), new URL(url).port];
    assert.equal((await run(python, args, { env, timeout: 120_000 })).stdout, "done\n", url);
  }
});

test("serve: etcd's v2 client for Go does the same as on a v2 server (V95)", { timeout: 600_000 }, async () => {
  const program = buildGo("v2-client", join(clients, "go", "main.go"));
  const { v2, served } = servers();
  for (const url of [v2, served]) assert.equal((await run(program, [url], { timeout: 120_000 })).stdout, "done\n", url);
});

/** Every command of etcdctl for keys, in an order in which each has an effect. */
const commands: readonly (readonly string[])[] = [
  ["ls"],
  ["set", "/a/b", "1"],
  ["get", "/a/b"],
  ["-o", "json", "get", "/a/b"],
  ["-o", "extended", "get", "/a/b"],
  ["get", "--quorum", "/a/b"],
  ["get", "/none"],
  ["get", "/a"],
  ["mk", "/a/c", "2"],
  ["mk", "/a/c", "3"],
  ["update", "/a/c", "3"],
  ["update", "/none", "3"],
  ["set", "--swap-with-value", "3", "/a/c", "4"],
  ["set", "--swap-with-value", "3", "/a/c", "5"],
  ["set", "--swap-with-index", "999999", "/a/c", "5"],
  ["set", "--ttl", "300", "/a/t", "soon gone"],
  ["mkdir", "/d"],
  ["mkdir", "/d"],
  ["setdir", "/d/e"],
  ["set", "/d", "x"],
  ["set", "/a/b/below-a-file", "x"],
  ["set", "/é x/%+", 'value with "quotes"'],
  ["get", "/é x/%+"],
  ["ls", "--sort", "--recursive", "-p", "/"],
  ["ls", "/a/b"],
  ["ls", "/none"],
  ["rmdir", "/d"],
  ["rmdir", "/d/e"],
  ["rm", "--dir", "/d"],
  ["rm", "--with-value", "3", "/a/c"],
  ["rm", "--with-value", "4", "/a/c"],
  ["rm", "/a"],
  ["rm", "/none"],
  ["rm", "--recursive", "/a"],
  ["rm", "--recursive", "/é x"],
  ["ls", "--recursive", "/"],
];

test("serve: etcdctl with ETCDCTL_API=2 has the output and the exit codes of a v2 server (V93)", limits, async () => {
  const { v2, served } = servers();
  for (const args of commands) {
    const [theirs, ours] = [await etcdctl(v2, args), await etcdctl(served, args)];
    assert.deepEqual(masked(ours), masked(theirs), `etcdctl ${args.join(" ")}`);
  }
  const list = await etcdctl(served, ["member", "list"]);
  assert.match(list.out, new RegExp(`^[\\da-f]+: name=m1 peerURLs=\\S+ clientURLs=${served} isLeader=true\n$`));
  const health = await etcdctl(served, ["cluster-health"]);
  assert.equal(health.code, 0);
  assert.match(health.out, new RegExp(`is healthy: got healthy result from ${served}\ncluster is healthy\n$`));
});

test("serve: etcdctl's watch --forever and exec-watch receive changes as on a v2 server (V93)", limits, async () => {
  const etcdctl = find("etcdctl");
  for (const url of Object.values(servers())) {
    const env = { PATH: process.env["PATH"], ETCDCTL_API: "2" };
    const watches = [
      ["watch", "--forever", "--recursive", "/watched"],
      ["exec-watch", "--recursive", "/watched", "--", "sh", "-c", 'echo "ran $ETCD_WATCH_ACTION $ETCD_WATCH_VALUE"'],
    ].map((args) => {
      const child = spawn(etcdctl, ["--endpoints", url, ...args], { env });
      let out = "";
      child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
      return { out: () => out, stop: () => child.kill("SIGKILL"), ended: once(child, "close") };
    });
    try {
      const set = (value: string): Promise<Response> =>
        fetch(`${url}/v2/keys/watched/k`, { method: "PUT", body: new URLSearchParams({ value }) });
      // they watch from now on: written again until both have seen it
      await until(`both see a write at ${url}`, async () => {
        await set("first");
        return watches.every(({ out }) => out().includes("first"));
      });
      await set("second");
      await until(`both see the next write at ${url}`, () => watches.every(({ out }) => out().includes("second")));
      const [watched, executed] = watches.map(({ out }) => out());
      assert.match(watched ?? "", /^\[set\] \/watched\/k\nfirst\n/);
      assert.match(executed ?? "", /ran set second\n/);
    } finally {
      for (const watch of watches) watch.stop();
      await Promise.all(watches.map(({ ended }) => ended));
    }
  }
});

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function etcdctl(url: string, args: readonly string[]): Promise<Result> {
  const env = { PATH: process.env["PATH"], ETCDCTL_API: "2" };
  try {
    const { stdout, stderr } = await run(find("etcdctl"), ["--endpoints", url, ...args], { env, timeout: 60_000 });
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as {
      readonly code: number;
      readonly stdout: string;
      readonly stderr: string;
    };
    return { code, out: stdout, err: stderr };
  }
}

/** Masks indexes: the two stores count differently. v3 keeps `createdIndex`, and has no numbers of raft. */
function masked({ code, out, err }: Result): Result {
  const plain = (text: string): string =>
    text
      .replace(/^Raft-(?:Index|Term): .*\n/gm, "")
      .replace(/(index"?:? ?|\[|[\d ]!= |\()\d+/gi, "$1N")
      .replace(/\[\d+\]/g, "[N]");
  return { code, out: plain(out), err: plain(err) };
}
