import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { open, readdir, readFile } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { listen } from "../src/test-kit/loopback-server.js";
import { find } from "../scripts/servers/programs.mjs";
import { capture } from "../scripts/run.mjs";
import { Client, KeysAPI } from "../src/core/index.js";
import { startChild, type Child } from "../src/test-kit/child.js";
import { until } from "../src/test-kit/waiting.js";
import { RegistryWriter } from "./config-support.js";
import { ownMember } from "./support.js";
import { Nginx } from "./test-kit/nginx.js";

/** Starts an HTTP server that responds with its name. Resolves to its address. */
async function backend(t: TestContext, name: string): Promise<string> {
  const server = http.createServer((_request, response) => response.end(name));
  return `127.0.0.1:${String((await listen(t, server)).port)}`;
}

interface ServerOfUpstreams {
  readonly nginx: Nginx;
  readonly upstreams: string;
  /** The command that makes it reload. */
  readonly reload: readonly string[];
  /** The body of a response, or the status if that is not 200. */
  readonly get: () => Promise<string>;
}

/** An nginx, not started yet, that listens on a socket file and passes every request to the upstream default_web. */
function prepareNginx(t: TestContext): ServerOfUpstreams {
  const nginx: Nginx = new Nginx({
    // the workers must reach the folder
    main: () => `${process.getuid?.() === 0 ? "user root;" : ""} worker_processes 1; worker_shutdown_timeout 20s;`,
    http: (folder) => `
      include ${folder}/upstreams.conf;
      server { listen unix:${folder}/http.sock; location / { proxy_pass http://default_web; } }`,
    isUp: () => get().then(() => true),
  });
  t.after(() => nginx.stop());
  const socketPath = join(nginx.folder, "http.sock");
  const get = (): Promise<string> =>
    new Promise((resolve, reject) => {
      http
        .get({ socketPath, path: "/", agent: false, headers: { connection: "close" } }, (response) => {
          let body = "";
          response
            .setEncoding("utf8")
            .on("data", (text: string) => (body += text))
            .on("end", () => {
              resolve(response.statusCode === 200 ? body : String(response.statusCode));
            });
        })
        .on("error", reject);
    });
  const reload = [find("nginx"), ...nginx.args, "-s", "reload"];
  return { nginx, upstreams: join(nginx.folder, "upstreams.conf"), reload, get };
}

test("nginx example: nginx follows the endpoints in etcd, and goes on while etcd is down", async (t) => {
  const { nginx, upstreams, reload, get } = prepareNginx(t);
  const cluster = await ownMember();
  t.after(() => cluster.stop());
  const [member] = cluster.members;
  assert.ok(member !== undefined);
  const client = new Client({ endpoints: [member.url] });
  t.after(() => client.close());
  const keys = new KeysAPI(client);
  const write = new RegistryWriter(keys, "/registry/services");
  const [a, b] = [await backend(t, "a"), await backend(t, "b")];
  const startExample = (): Child =>
    startChild(t, "../../examples/nginx-upstreams.js", [
      "--endpoint",
      member.url,
      "--file",
      upstreams,
      "--",
      ...reload,
    ]);
  // ten responses in a row: the workers of the old configuration are gone
  const answers = (...expected: readonly string[]): Promise<unknown> =>
    until(`responses of ${expected.join(" and ")} only`, async () => {
      const got = new Set<string>();
      for (let i = 0; i < 10; i++) got.add(await get());
      return [...got].sort().join() === expected.join();
    });

  await write.spec("default/web:80");
  await write.endpoints(`default/web ${a}`);
  const example = startExample();
  await until("the file", () => existsSync(upstreams));
  await nginx.start();
  await answers("a");

  const before = await open(upstreams);
  t.after(() => before.close());
  const textBefore = await readFile(upstreams, "utf8");
  await write.endpoints(`default/web ${a} ${b}`);
  await answers("a", "b");
  assert.equal(await before.readFile("utf8"), textBefore, "the file was written over, not replaced");
  assert.deepEqual(
    (await readdir(join(upstreams, ".."))).filter((name) => name.endsWith(".tmp")),
    [],
  );

  await write.endpoints(`default/web ${b}`);
  await answers("b");
  await keys.delete(write.endpointsKey("default/web"));
  await answers("502");
  await write.endpoints(`default/web ${a}`);
  await answers("a");

  // what is not an address or a name does not get into the file
  await keys.set(
    write.endpointsKey("default/evil"),
    JSON.stringify({
      apiVersion: "v1beta3",
      metadata: {},
      endpoints: [
        { ip: "127.0.0.1:1; } evil {", port: 1 },
        { ip: "::1", port: 2 },
      ],
    }),
  );
  await write.spec("default/evil:1");
  await write.spec("default/e{v}il:1");
  const text = await until("default_evil in the file", async () => {
    const now = await readFile(upstreams, "utf8");
    return now.includes("upstream default_evil {\n  server [::1]:2;\n}") && now;
  });
  assert.ok(!text.includes("evil {}") && !text.includes("e{v}il") && !text.includes("127.0.0.1:1;"));
  await answers("a");

  await member.kill();
  await answers("a");
  assert.equal(await readFile(upstreams, "utf8"), text);
  await member.start();
  await write.endpoints(`default/web ${b}`);
  await answers("b");

  // if it is killed, everything stays, and a new one takes over; a whole namespace is removed by one event
  example.process.kill("SIGKILL");
  await example.ended;
  await write.endpoints(`default/web ${a}`);
  await answers("b");
  const second = startExample();
  await answers("a");
  await keys.delete("/registry/services/endpoints/default", { recursive: true });
  await answers("502");
  second.process.kill("SIGTERM");
  const { status, stdout } = await second.ended;
  assert.equal(status, 0);
  assert.ok(stdout.includes(upstreams));
  await answers("502");
});

test("nginx example: nginx accepts the file whatever etcd holds, and entries that are left out are reported (FF28)", async (t) => {
  const { nginx, upstreams } = prepareNginx(t);
  await using cluster = await ownMember();
  await using client = new Client({ endpoints: cluster.endpoints });
  const keys = new KeysAPI(client);
  const write = new RegistryWriter(keys, "/registry/services");
  await write.spec("default/web:80");
  await write.endpoints(`default/web 127.0.0.1:1`);
  // addresses that nginx refuses, or would read as something else
  const addresses = [
    ["10.0.0.9", 0],
    ["10.0.0.9", 65_535],
    ["fe80::1%eth0", 80],
    ["::ffff:10.0.0.1", 80],
    ["::", 80],
    ["0.0.0.0", 80],
    ["010.0.0.1", 80],
    ["10.1", 80],
    ["localhost", 80],
    ["unix:/tmp/x", 80],
    ["127.0.0.1:1; } evil {", 1],
  ] as const;
  const names = [
    "broken",
    "WEB",
    "localhost",
    "1.2.3.4",
    "80",
    "x".repeat(253),
    "x".repeat(3_000),
    "a_b",
    "e{v}il",
    "a;b",
  ];
  for (const namespace of ["default", "Default", ""]) {
    for (const name of names) {
      const path = namespace === "" ? name : `${namespace}/${name}`;
      await keys.set(`/registry/services/specs/${path}`, JSON.stringify({ port: 80, sessionAffinity: "ClientIP" }));
      const endpoints = {
        apiVersion: "v1beta3",
        metadata: {},
        endpoints: addresses.map(([ip, port]) => ({ ip, port })),
      };
      await keys.set(`/registry/services/endpoints/${path}`, JSON.stringify(endpoints));
    }
  }
  const reloads = join(upstreams, "..", "reloads");
  const example = startChild(t, "../../examples/nginx-upstreams.js", [
    "--endpoint",
    ...cluster.endpoints,
    "--file",
    upstreams,
    "--",
    "sh",
    "-c",
    `echo reload >> ${reloads}`,
  ]);
  const reloadCount = async (): Promise<number> => (await readFile(reloads, "utf8").catch(() => "")).length / 7;
  await until("the first reload", async () => (await reloadCount()) > 0);
  const accepted = (): void => {
    const { ok, stderr } = capture(find("nginx"), [...nginx.args, "-t"]);
    assert.ok(ok, stderr);
  };
  accepted();
  const text = await readFile(upstreams, "utf8");
  assert.ok(text.includes("upstream default_broken {\n  ip_hash;\n  server 10.0.0.9:65535;\n"), text);
  assert.ok(!/:0;|%|evil|localhost:|unix/.test(text), text);

  // other services keep changing, many changes make few reloads
  const [before, startMs] = [await reloadCount(), performance.now()];
  for (let port = 1; performance.now() - startMs < 3_000; port++)
    await write.endpoints(`default/web 127.0.0.1:${String(port)}`);
  await write.endpoints("default/web 127.0.0.1:9999");
  await until("the last change", async () => (await readFile(upstreams, "utf8")).includes("127.0.0.1:9999;"));
  const seconds = (performance.now() - startMs) / 1_000;
  const count = (await reloadCount()) - before;
  assert.ok(count >= 1 && count <= seconds + 1, `${String(count)} reloads in ${String(seconds)} s`);
  accepted();

  example.process.kill("SIGTERM");
  const { stderr } = await example.ended;
  for (const said of ['"10.0.0.9" with port 0', "fe80::1%eth0", "e{v}il", "a_b", "since there is a "])
    assert.ok(stderr.includes(said), `${said}: ${stderr.slice(0, 2_000)}`);
  const lines = stderr.split("\n").filter((line) => line.startsWith("left out"));
  assert.equal(new Set(lines).size, lines.length, "each entry is reported once");
});
