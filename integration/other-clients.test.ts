import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import test from "node:test";
import { promisify } from "node:util";
import { install, packagesFolder } from "../bench/install.js";
import { find } from "../scripts/servers/programs.mjs";
import { patience } from "../src/test-kit/waiting.js";
import { startFakeEtcd, type FakeEtcd } from "../src/testing/index.js";
import { findPythonEtcd } from "./python-etcd.js";

// The fake is a server that any v2 client can use. These are clients written by others.

const run = promisify(execFile);

test("fake etcd: etcdctl for v2 works against it (X47)", async () => {
  const etcdctl = find("etcdctl");
  await using etcd = await startFakeEtcd({ members: 3 });
  const ctl = async (...args: readonly string[]): Promise<string> => {
    const env = { PATH: process.env["PATH"], ETCDCTL_API: "2" };
    const { stdout } = await run(etcdctl, ["--endpoints", etcd.endpoints.join(","), ...args], {
      env,
      timeout: 300_000,
    });
    return stdout;
  };
  assert.equal(await ctl("set", "/a/b", "1"), "1\n");
  assert.equal(await ctl("get", "/a/b"), "1\n");
  assert.equal(await ctl("mk", "/a/c", "2"), "2\n");
  await assert.rejects(ctl("mk", "/a/c", "2"), /105: {2}?Key already exists|105: Key already exists/);
  assert.equal(await ctl("update", "/a/c", "3"), "3\n");
  assert.equal(await ctl("ls", "--sort", "/a"), "/a/b\n/a/c\n");
  await ctl("mkdir", "/d");
  assert.match(await ctl("ls", "--recursive", "-p", "/"), /^\/d\/$/m);
  const watched = ctl("watch", "/a/b");
  await etcd.untilWatched("/a/b");
  etcd.load({ "/a/b": "seen" });
  assert.equal(await watched, "seen\n");
  assert.match(await ctl("rm", "/a/c"), /PrevNode.Value: 3/);
  await ctl("rm", "--recursive", "/a");
  await assert.rejects(ctl("get", "/a"), /100: {2}?Key not found|100: Key not found/);
  assert.equal((await ctl("member", "list")).trim().split("\n").length, 3);
  assert.match(await ctl("cluster-health"), /cluster is healthy/);
  const one = await startFakeEtcd({ root: "pw", keys: { "/secret": "1" } });
  const auth = async (...args: readonly string[]): Promise<string> => {
    const env = { PATH: process.env["PATH"], ETCDCTL_API: "2" };
    const options = ["--endpoints", one.endpoints.join(","), "--username", "root:pw"];
    return (await run(etcdctl, [...options, ...args], { env, timeout: 300_000 })).stdout;
  };
  assert.match(await auth("role", "add", "r1"), /Role r1 created/);
  assert.match(await auth("role", "grant", "r1", "--path", "/a/*", "--readwrite"), /Role r1 updated/);
  assert.match(await auth("user", "list"), /root/);
  assert.match(await auth("role", "list"), /guest/);
  assert.equal(await auth("get", "/secret"), "1\n");
  await one.close();
});

test("fake etcd: node-etcd and etcdjs work against it, with the calls of their README files (X48)", async () => {
  await install("node-etcd", ["node-etcd@7"]);
  await install("etcdjs", ["etcdjs@2"]);
  await using etcd = await startFakeEtcd();
  const [endpoint = ""] = etcd.endpoints;
  const program = `
    const assert = require("node:assert/strict");
    const call = (target, name, ...args) => new Promise((resolve, reject) =>
      target[name](...args, (error, body) => (error ? reject(error) : resolve(body))));
    (async () => {
      const Etcd = require(process.argv[1] + "/node_modules/node-etcd");
      const etcd = new Etcd([process.argv[3]]);
      assert.equal((await call(etcd, "set", "a", "1")).node.value, "1");
      assert.equal((await call(etcd, "get", "a")).node.value, "1");
      assert.equal((await call(etcd, "compareAndSwap", "a", "2", "1")).action, "compareAndSwap");
      assert.equal((await call(etcd, "create", "q", "x")).action, "create");
      assert.equal((await call(etcd, "mkdir", "dir")).node.dir, true);
      const changed = new Promise((resolve) => etcd.watcher("a", null, { recursive: true }).once("set", resolve));
      assert.equal((await changed).node.value, "3");
      assert.equal((await call(etcd, "del", "a")).action, "delete");
      await assert.rejects(call(etcd, "get", "a"), { errorCode: 100 });
      const store = require(process.argv[2] + "/node_modules/etcdjs")(process.argv[3]);
      assert.equal((await call(store, "set", "hello", "world")).node.value, "world");
      assert.equal((await call(store, "get", "hello")).node.value, "world");
      const next = call(store, "wait", "hello");
      assert.equal((await next).node.value, "again");
      assert.equal((await call(store, "del", "hello")).action, "delete");
      console.log("done");
      process.exit(0);
    })();
  `;
  const args = ["-e", program, packagesFolder("node-etcd"), packagesFolder("etcdjs"), endpoint];
  const [{ stdout }] = await Promise.all([
    run(process.execPath, args, { timeout: 300_000 }),
    writeOnceWatched(etcd, { "/a": "3" }),
    writeOnceWatched(etcd, { "/hello": "again" }),
  ]);
  assert.match(stdout, /done/);
});

test("fake etcd: Debian's python3-etcd works against it: keys, swaps, queues, watches, members, a lock", async () => {
  await using etcd = await startFakeEtcd();
  const { port } = new URL(etcd.endpoints[0] ?? "");
  const program = `
import etcd, sys
client = etcd.Client(host="127.0.0.1", port=int(sys.argv[1]), allow_reconnect=True)
assert client.write("/a", "1").value == "1"
assert client.read("/a").value == "1"
assert client.test_and_set("/a", "2", "1").value == "2"
try:
    client.test_and_set("/a", "3", "1")
    raise SystemExit("swapped")
except etcd.EtcdCompareFailed:
    pass
made = client.write("/q", "x", append=True)
assert made.key.startswith("/q/0000")
client.write("/t", "1", ttl=100)
client.refresh("/t", ttl=200)
assert client.read("/t").ttl > 100
assert client.watch("/a").value == "4"
assert len(client.machines) == 1 and len(client.members) == 1 and client.leader["name"] == "m1"
lock = etcd.Lock(client, "it")
assert lock.acquire(blocking=True, lock_ttl=60, timeout=10)
assert lock.is_acquired
lock.release()
client.delete("/a")
try:
    client.read("/a")
    raise SystemExit("there")
except etcd.EtcdKeyNotFound:
    pass
print("done")
`;
  const { python, env } = findPythonEtcd();
  const [{ stdout }] = await Promise.all([
    run(python, ["-c", program, port], { env, timeout: 300_000 }),
    writeOnceWatched(etcd, { "/a": "4" }),
  ]);
  assert.equal(stdout, "done\n");
});

/** Writes the key as another program would, once the other client watches it. */
async function writeOnceWatched(etcd: FakeEtcd, keys: Readonly<Record<string, string>>): Promise<void> {
  for (const key of Object.keys(keys)) await etcd.untilWatched(key, { signal: patience(120_000) });
  etcd.load(keys);
}
