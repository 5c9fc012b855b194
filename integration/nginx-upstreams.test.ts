import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { find } from "../scripts/servers/programs.mjs";
import { atExit } from "../scripts/run.mjs";
import { Client, KeysAPI } from "../src/core/index.js";
import { startChild, type Child } from "../src/test-kit/child.js";
import { until } from "../src/test-kit/waiting.js";
import { RegistryWriter } from "./config-support.js";
import { ownMember } from "./support.js";

/** Starts an HTTP server that responds with its name. Resolves to its address. */
async function backend(t: TestContext, name: string): Promise<string> {
  const server = http.createServer((_request, response) => response.end(name));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${String((server.address() as AddressInfo).port)}`;
}

interface Nginx {
  readonly upstreams: string;
  /** The command that makes it reload. */
  readonly reload: readonly string[];
  readonly start: () => Promise<void>;
  /** The body of a response, or the status if that is not 200. */
  readonly get: () => Promise<string>;
}

/** An nginx in a folder of its own, listening on a socket file, that passes every request to the upstream default_web. */
async function nginxIn(t: TestContext, bin: string): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), "etcd2-nginx-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const socketPath = join(folder, "http.sock");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/tmp-${name};`,
  );
  await writeFile(
    join(folder, "nginx.conf"),
    [
      // the workers must reach the folder
      ...(process.getuid?.() === 0 ? ["user root;"] : []),
      "daemon off; worker_processes 1; worker_shutdown_timeout 20s;",
      `pid ${folder}/nginx.pid; error_log ${folder}/error.log;`,
      "events { worker_connections 64; }",
      `http { access_log off; ${temporary.join(" ")}`,
      `  include ${folder}/upstreams.conf;`,
      `  server { listen unix:${socketPath}; location / { proxy_pass http://default_web; } }`,
      "}",
    ].join("\n"),
  );
  const args = ["-p", folder, "-c", join(folder, "nginx.conf")];
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
  const start = async (): Promise<void> => {
    const process = spawn(bin, args, { stdio: ["ignore", "ignore", "pipe"] });
    const ended = once(process, "exit");
    let said = "";
    process.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    const forget = atExit(() => process.kill("SIGTERM"));
    t.after(async () => {
      process.kill("SIGTERM");
      await ended;
      forget();
    });
    await until("nginx listening", async () => {
      assert.equal(process.exitCode, null, said);
      return get().catch(() => undefined);
    });
  };
  return { upstreams: join(folder, "upstreams.conf"), reload: [bin, ...args, "-s", "reload"], start, get };
}

test("nginx example: nginx follows the endpoints in etcd, and goes on while etcd is down", async (t) => {
  const nginx = await nginxIn(t, find("nginx"));
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
      nginx.upstreams,
      "--",
      ...nginx.reload,
    ]);
  // ten responses in a row: the workers of the old configuration are gone
  const answers = (...expected: readonly string[]): Promise<unknown> =>
    until(`answers of ${expected.join(" and ")} only`, async () => {
      const got = new Set<string>();
      for (let i = 0; i < 10; i++) got.add(await nginx.get());
      return [...got].sort().join() === expected.join();
    });

  await write.spec("default/web:80");
  await write.endpoints(`default/web ${a}`);
  const example = startExample();
  await until("the file", () => existsSync(nginx.upstreams));
  await nginx.start();
  await answers("a");

  const before = await open(nginx.upstreams);
  t.after(() => before.close());
  const textBefore = await readFile(nginx.upstreams, "utf8");
  await write.endpoints(`default/web ${a} ${b}`);
  await answers("a", "b");
  assert.equal(await before.readFile("utf8"), textBefore, "the file was written over, not replaced");
  assert.deepEqual(
    (await readdir(join(nginx.upstreams, ".."))).filter((name) => name.endsWith(".tmp")),
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
    const now = await readFile(nginx.upstreams, "utf8");
    return now.includes("upstream default_evil {\n  server [::1]:2;\n}") && now;
  });
  assert.ok(!text.includes("evil {}") && !text.includes("e{v}il") && !text.includes("127.0.0.1:1;"));
  await answers("a");

  await member.kill();
  await answers("a");
  assert.equal(await readFile(nginx.upstreams, "utf8"), text);
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
  assert.ok(stdout.includes(nginx.upstreams));
  await answers("502");
});

test("nginx example: nginx accepts the file whatever etcd holds, and what is left out is reported (FF28)", async (t) => {
  const bin = find("nginx");
  const nginx = await nginxIn(t, bin);
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
  const reloads = join(nginx.upstreams, "..", "reloads");
  const example = startChild(t, "../../examples/nginx-upstreams.js", [
    "--endpoint",
    ...cluster.endpoints,
    "--file",
    nginx.upstreams,
    "--",
    "sh",
    "-c",
    `echo reload >> ${reloads}`,
  ]);
  const reloadCount = async (): Promise<number> => (await readFile(reloads, "utf8").catch(() => "")).length / 7;
  await until("the first reload", async () => (await reloadCount()) > 0);
  const accepted = async (): Promise<void> => {
    const [program = "", ...args] = nginx.reload.slice(0, -2);
    const checked = spawn(program, [...args, "-t"], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    checked.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    const [code] = (await once(checked, "exit")) as [number];
    assert.equal(code, 0, said);
  };
  await accepted();
  const text = await readFile(nginx.upstreams, "utf8");
  assert.ok(text.includes("upstream default_broken {\n  ip_hash;\n  server 10.0.0.9:65535;\n"), text);
  assert.ok(!/:0;|%|evil|localhost:|unix/.test(text), text);

  // other services keep changing, many changes make few reloads
  const [before, startMs] = [await reloadCount(), performance.now()];
  for (let port = 1; performance.now() - startMs < 3_000; port++)
    await write.endpoints(`default/web 127.0.0.1:${String(port)}`);
  await write.endpoints("default/web 127.0.0.1:9999");
  await until("the last change", async () => (await readFile(nginx.upstreams, "utf8")).includes("127.0.0.1:9999;"));
  const seconds = (performance.now() - startMs) / 1_000;
  const count = (await reloadCount()) - before;
  assert.ok(count >= 1 && count <= seconds + 1, `${String(count)} reloads in ${String(seconds)} s`);
  await accepted();

  example.process.kill("SIGTERM");
  const { stderr } = await example.ended;
  for (const said of ['"10.0.0.9" with port 0', "fe80::1%eth0", "e{v}il", "a_b", "since there is a "])
    assert.ok(stderr.includes(said), `${said}: ${stderr.slice(0, 2_000)}`);
  const lines = stderr.split("\n").filter((line) => line.startsWith("left out"));
  assert.equal(new Set(lines).size, lines.length, "each entry is reported once");
});
