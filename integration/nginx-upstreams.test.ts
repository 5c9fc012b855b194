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
import { findNginx } from "../scripts/servers/programs.mjs";
import { Client, KeysAPI } from "../src/core/index.js";
import { startChild, type Child } from "../src/test-kit/child.js";
import { until } from "../src/test-kit/waiting.js";
import { RegistryWriter } from "./config-support.js";
import { ownMember } from "./support.js";

/** An HTTP server that answers with its name; its address. */
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
  /** What has it reload. */
  readonly reload: readonly string[];
  readonly start: () => Promise<void>;
  /** The body of an answer, or its status where that is not 200. */
  readonly get: () => Promise<string>;
}

/** An nginx with all its files in a folder of its own, on a socket file, that proxies everything to the upstream default_web. */
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
    t.after(async () => {
      process.kill("SIGTERM");
      await ended;
    });
    await until("nginx listening", async () => {
      assert.equal(process.exitCode, null, said);
      return get().catch(() => undefined);
    });
  };
  return { upstreams: join(folder, "upstreams.conf"), reload: [bin, ...args, "-s", "reload"], start, get };
}

test("nginx sends requests where etcd says, as endpoints come and go, and goes on while etcd is down", async (t) => {
  const nginx = await nginxIn(t, findNginx());
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
  // ten answers in a row: workers of the old configuration are gone
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

  // what is no address, and no name, does not get into the file
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

  // killed, it leaves all as it is, and a new one takes over; a whole namespace ends in one event
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
