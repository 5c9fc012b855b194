import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test, { after, before } from "node:test";
import { startCluster, type Cluster } from "./test-kit/etcd.js";
import { find } from "../scripts/servers/programs.mjs";
import { AuthAPI, AuthUserAPI, Client, KeysAPI, MembersAPI } from "../src/core/index.js";
import { refusedUrl } from "../src/test-kit/scripted-server.js";
import { patience, until } from "../src/test-kit/waiting.js";
import { v3Protocol } from "../src/v3/index.js";
import { makeCertificates } from "./certificates.js";
import { etcd2, onTerminal } from "./cli-support.js";
import { startServe } from "./serve-support.js";

const limits = { timeout: 120_000 };

let shared: Cluster | undefined;
before(async () => {
  shared = await startCluster({ bin: find("etcd"), enableV2: false });
});
after(async () => {
  await shared?.stop();
});

function endpoints(): readonly string[] {
  return shared?.endpoints ?? [];
}

function put(url: string, key: string, value: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}/v2/keys${key}`, { method: "PUT", body: new URLSearchParams({ value }), headers });
}

test(
  "serve: on a terminal it prints what it serves and where, in colour, and Ctrl-C ends it with 0",
  limits,
  async () => {
    const [endpoint = ""] = endpoints();
    const args = ["serve", "--listen", "127.0.0.1:0", "--namespace", "/old"];
    const terminal = onTerminal(args, { ETCD_ENDPOINTS: endpoint });
    await terminal.untilShown("(etcd 3.");
    const shown = terminal.shown().replaceAll("\u001b", "ESC");
    const [, url = ""] = /serving v2 at ESC\[32m(http:\/\/127\.0\.0\.1:\d+)ESC\[39m/.exec(shown) ?? [];
    assert.ok(terminal.shown().includes(` from the v3 store of ${endpoint}, below /old (etcd 3.`), terminal.shown());
    assert.equal((await put(url, "/from-terminal", "1")).status, 201);
    await using client = new Client({ endpoints: endpoints(), protocol: v3Protocol({ namespace: "/old" }) });
    assert.equal((await new KeysAPI(client).get("/from-terminal")).node.value, "1");
    terminal.type("\u0003");
    assert.equal(await terminal.ended, 0, terminal.shown());
    assert.match(terminal.shown(), /etcd2: stopping: /);
    await assert.rejects(fetch(url));
    const plain = onTerminal(args, { ETCD_ENDPOINTS: endpoint, NO_COLOR: "1" });
    await plain.untilShown("(etcd 3.");
    assert.ok(!plain.shown().includes("\u001b"), "no colours with NO_COLOR");
    plain.type("\u0003");
    assert.equal(await plain.ended, 0);
  },
);

test(
  "serve: on SIGTERM polls end empty, a write that waits for etcd finishes, and it exits with 0",
  limits,
  async () => {
    await using cluster = await startCluster({ bin: find("etcd"), enableV2: false });
    await using serving = await startServe(cluster.endpoints, ["--timeout", "60"]);
    const { url } = serving;
    const [member] = cluster.members;
    const poll = await fetch(`${url}/v2/keys/none?wait=true`);
    member?.signal("SIGSTOP");
    const written = put(url, "/waits", "1");
    // a later connection is open: so the write, which was sent before, has been received
    await (await fetch(`${url}/v2/keys/none?wait=maybe`)).text();
    serving.signal("SIGTERM");
    assert.equal(await poll.text(), "");
    await until("it no longer listens", () =>
      fetch(url).then(
        () => false,
        () => true,
      ),
    );
    member?.signal("SIGCONT");
    const response = await written;
    assert.deepEqual([response.status, response.headers.get("connection")], [201, "close"]);
    assert.match(await response.text(), /"value":"1"/);
    assert.equal(await serving.ended, 0);
  },
);

test("serve: with three members, requests and watches go on when one dies, even the leader", limits, async (t) => {
  await using cluster = await startCluster({ bin: find("etcd"), enableV2: false, size: 3 });
  await using serving = await startServe(cluster.endpoints);
  await using outside = new Client({ endpoints: [serving.url] });
  const keys = new KeysAPI(outside);
  const { index } = await keys.set("/n", "0");
  const watcher = keys.watcher("/n", { afterIndex: index });
  const seen: string[] = [];
  const watching = (async () => {
    for await (const { node } of watcher.events(patience(90_000))) {
      seen.push(node.value);
      if (node.value === "end") return;
    }
  })();
  const written: string[] = [];
  let failures = 0;
  /** Writes one value after the other. A write that failed may have been applied. */
  const write = async (count: number): Promise<void> => {
    for (let done = 0; done < count;) {
      const value = String(written.length + failures + 1);
      const ok = await keys.set("/n", value).then(
        () => true,
        () => false,
      );
      if (ok) written.push(value);
      if (ok) done++;
      else failures++;
    }
  };
  await write(10);
  assert.equal(failures, 0);
  const leader = await cluster.leader();
  for (const dies of [cluster.members.find((member) => member !== leader), leader]) {
    const failed = failures;
    const writing = write(30);
    await dies?.kill();
    await writing;
    // an election takes a second or two, in which requests get 500 or wait
    await write(10);
    assert.ok(failures - failed < 50, `${String(failures - failed)} writes failed`);
    t.diagnostic(
      `${String(failures - failed)} writes failed when ${dies === leader ? "the leader" : "a follower"} died`,
    );
    assert.equal((await fetch(`${serving.url}/v2/keys/n`)).status, 200);
    await dies?.start();
  }
  await keys.set("/n", "end");
  await watching;
  assert.deepEqual(
    seen.filter((value) => written.includes(value)),
    written,
  );
  assert.equal(new Set(seen).size, seen.length, "each event once");
});

test("serve: started before etcd, it returns 500 with 300, prints that once, and then goes on", limits, async () => {
  await using cluster = await startCluster({ bin: find("etcd"), enableV2: false });
  const [member] = cluster.members;
  await member?.kill();
  await using serving = await startServe(cluster.endpoints);
  assert.equal(serving.said.etcd, undefined);
  assert.match(
    serving.err(),
    /^etcd2: warning: .*ECONNREFUSED.*: requests get status 500 until an endpoint answers\n$/,
  );
  for (let i = 0; i < 3; i++) {
    const response = await put(serving.url, "/k", "1");
    assert.deepEqual([response.status, ((await response.json()) as { errorCode: number }).errorCode], [500, 300]);
  }
  await member?.start();
  await until("a write gets through", async () => (await put(serving.url, "/k", "1")).status === 201);
  await until("it says so", () => serving.err().includes("etcd2: requests succeed again\n"));
  assert.equal(serving.err().match(/requests fail: /g)?.length, 1, serving.err());
});

test("serve: over v2 it stands in front of an etcd with the v2 API", limits, async () => {
  await using cluster = await startCluster({ bin: find("etcd"), enableV2: true });
  await using serving = await startServe(cluster.endpoints, ["--protocol", "v2"]);
  assert.equal(serving.said.protocol, "v2");
  assert.equal((await put(serving.url, "/k", "1")).status, 201);
  const direct = (await (await fetch(`${cluster.endpoints[0] ?? ""}/v2/keys/k`)).json()) as { node: object };
  const served = (await (await fetch(`${serving.url}/v2/keys/k`)).json()) as { node: object };
  assert.deepEqual(served, direct);
  assert.deepEqual(
    (await etcd2(["serve"], { env: { ETCD_ENDPOINTS: await refusedUrl(), ETCD_PROTOCOL: "v4" } })).code,
    2,
  );
});

test(
  "serve: of another program's transaction of three keys, a poll gets the first event, a stream all three (V100)",
  limits,
  async () => {
    await using serving = await startServe(endpoints());
    const { url } = serving;
    const { index } = await new KeysAPI(new Client({ endpoints: [url] })).set("/three/z", "0");
    const after = `recursive=true&waitIndex=${String(index + 1)}`;
    const stream = await fetch(`${url}/v2/keys/three?wait=true&stream=true&${after}`, { signal: patience(60_000) });
    const success = ["a", "b", "c"].map((name) => ({
      request_put: { key: btoa(`/three/${name}`), value: btoa(name) },
    }));
    await fetch(`${endpoints()[0] ?? ""}/v3/kv/txn`, { method: "POST", body: JSON.stringify({ success }) });
    const poll = await fetch(`${url}/v2/keys/three?wait=true&${after}`);
    assert.equal(((await poll.json()) as { node: { key: string } }).node.key, "/three/a");
    let lines = "";
    const decoder = new TextDecoder();
    for await (const chunk of stream.body ?? []) {
      lines += decoder.decode(chunk as Uint8Array, { stream: true });
      if (lines.split("\n").length === 4) break;
    }
    const keys = lines
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { node: { key: string } }).node.key);
    assert.deepEqual(keys, ["/three/a", "/three/b", "/three/c"]);
  },
);

test(
  "serve: credentials of requests go to etcd; keys requests without credentials use those of --user",
  limits,
  async () => {
    await using cluster = await startCluster({ bin: find("etcd"), enableV2: false });
    await using root = new Client({
      endpoints: cluster.endpoints,
      protocol: v3Protocol(),
      username: "root",
      password: "r00t",
    });
    await new AuthUserAPI(root).add("root", "r00t");
    await new AuthAPI(root).enable();
    const basic = { authorization: `Basic ${btoa("root:r00t")}` };
    const wrong = { authorization: `Basic ${btoa("root:wrong")}` };
    {
      await using serving = await startServe(cluster.endpoints);
      assert.equal((await put(serving.url, "/k", "1")).status, 401);
      assert.equal((await put(serving.url, "/k", "1", wrong)).status, 401);
      assert.equal((await put(serving.url, "/k", "1", basic)).status, 201);
    }
    await using serving = await startServe(cluster.endpoints, ["--user", "root"], { ETCD_PASSWORD: "r00t" });
    assert.equal((await put(serving.url, "/k", "2")).status, 200);
    assert.equal((await put(serving.url, "/k", "2", wrong)).status, 401);
    assert.equal((await fetch(`${serving.url}/v2/auth/users`)).status, 401);
    assert.doesNotMatch(serving.err(), /r00t/);
  },
);

test(
  "serve: --listen-cert serves HTTPS; an open listener without it causes a warning; members list the URLs of --advertise",
  limits,
  async () => {
    using certificates = makeCertificates();
    const tls = ["--listen-cert", certificates.cert("server"), "--listen-key", certificates.key("server")];
    const advertise = ["--listen", "0.0.0.0:0", "--advertise", "https://127.0.0.1:1"];
    {
      await using serving = await startServe(endpoints(), [...tls, ...advertise]);
      const url = `https://127.0.0.1:${new URL(serving.url).port}`;
      await using client = new Client({ endpoints: [url], tls: { ca: readFileSync(certificates.cert("ca")) } });
      assert.equal((await new KeysAPI(client).set("/tls", "1")).node.value, "1");
      const [member] = await new MembersAPI(client).list();
      assert.deepEqual(member?.clientURLs, ["https://127.0.0.1:1"]);
      assert.equal(serving.err(), "");
      serving.signal("SIGTERM");
      assert.equal(await serving.ended, 0);
    }
    await using open = await startServe(endpoints(), advertise);
    assert.match(open.err(), /^etcd2: warning: http:\/\/0\.0\.0\.0:\d+ is open to the network without TLS/);
  },
);

test(
  "serve: it limits concurrent requests; a port in use, and servers that cannot be used, end it with 1",
  limits,
  async () => {
    await using serving = await startServe(endpoints(), ["--max-requests", "1"]);
    const poll = await fetch(`${serving.url}/v2/keys/none?wait=true`);
    assert.equal((await fetch(`${serving.url}/v2/keys/`)).status, 503);
    await poll.body?.cancel();
    const env = { ETCD_ENDPOINTS: endpoints().join(",") };
    const taken = await etcd2(["serve", "--listen", new URL(serving.url).host], { env });
    assert.deepEqual([taken.code, taken.out], [1, ""]);
    assert.match(taken.err, /^etcd2: --listen: listen EADDRINUSE[^\n]*\n$/);
    const noV2 = await etcd2(["serve", "--protocol", "v2", "--listen", "127.0.0.1:0"], { env });
    assert.equal(noV2.code, 1);
    assert.match(noV2.err, /^etcd2: [^\n]*enable-v2[^\n]*\n$/);
  },
);

test("serve: wrong usage exits with 2 and one line (V105)", limits, async () => {
  using certificates = makeCertificates();
  const cert = certificates.cert("server");
  const wrong: readonly (readonly string[])[] = [
    ["here"],
    ["--listen", "4001"],
    ["--listen", ":4001"],
    ["--listen", "127.0.0.1:70000"],
    ["--listen", "http://127.0.0.1:4001"],
    ["--listen", "0.0.0.0:4001"],
    ["--listen", "[::]:4001"],
    ["--listen-cert", cert],
    ["--listen-cert", cert, "--listen-key", "/no/such/file"],
    ["--listen-cert", cert, "--listen-key", cert],
    ["--advertise", "127.0.0.1:4001"],
    ["--advertise", ","],
    ["--max-requests", "0"],
    ["--max-requests", "many"],
    ["--user", "root:secret"],
    ["--protocol", "v4"],
  ];
  const env = { ETCD_ENDPOINTS: endpoints().join(",") };
  const ends = await Promise.all(wrong.map((args) => etcd2(["serve", ...args], { env })));
  for (const [i, { code, out, err }] of ends.entries()) {
    const what = `etcd2 serve ${(wrong[i] ?? []).join(" ")}: ${err}`;
    assert.equal(code, 2, what);
    assert.equal(out, "", what);
    assert.match(err, /^etcd2: [^\n]+\n$/, what);
    assert.doesNotMatch(err, /secret/, what);
  }
});
