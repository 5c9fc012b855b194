import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { projectRoot } from "../scripts/run.mjs";
import { clusterForTests } from "./support.js";

const cluster = clusterForTests("require");

const session = `
  const client = new Client({ endpoints: [process.env.ENDPOINT] });
  const { node } = await new KeysAPI(client).get("/");
  await client.close();
  console.log(node.key);
`;

/** Leaves everything open that may be open: idle sockets, a waiting watcher, an autoSync. */
const busySession = `
  const client = new Client({ endpoints: [process.env.ENDPOINT] });
  const keys = new KeysAPI(client);
  const ended = Promise.allSettled([keys.watcher("/nothing").next(), client.autoSync(1_000), keys.get("/"), keys.get("/")]);
  await keys.get("/");
  await client.sync();
  await client.close();
  console.log((await ended).map(({ reason }) => reason?.code ?? "ok").slice(0, 2).join());
`;

const importing = 'import { Client, KeysAPI } from "etcd2";';
const requiring = 'const { Client, KeysAPI } = require("etcd2");';

test("package: with import, after one get and close() the process ends by itself", async () => {
  assert.equal(await script("module", `${importing} ${session}`), "/\n");
});

test('package: require("etcd2") works in CommonJS, and the process ends by itself', async () => {
  assert.equal(await script("commonjs", `${requiring} (async () => {${session}})();`), "/\n");
});

test("package: close() during a watcher, an autoSync and reads lets the process end", async () => {
  assert.equal(await script("module", `${importing} ${busySession}`), "ERR_CLOSED,ERR_CLOSED\n");
});

test("package: without close() the process ends on its own once nothing is in progress", async () => {
  assert.equal(await script("module", `${importing} ${session.replace("await client.close();", "")}`), "/\n");
});

test("package: import and require load the same classes, and package.json can be imported", async () => {
  const program = `
    import { createRequire } from "node:module";
    import * as imported from "etcd2";
    const require = createRequire(process.cwd() + "/");
    console.log(imported.Client === require("etcd2").Client, require("etcd2/package.json").name);
    await import("etcd2/dist/src/client.js").catch((error) => { console.log(error.code); });
  `;
  assert.equal(await script("module", program), "true etcd2\nERR_PACKAGE_PATH_NOT_EXPORTED\n");
});

test("package: every published subpath exports the same names as its source, and all subpaths share their classes", async () => {
  const { exports } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as {
    readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  };
  for (const [subpath, entry] of Object.entries(exports)) {
    if (typeof entry === "string") continue;
    const compiled = pathToFileURL(join(projectRoot, entry.default.replace("/lib/", "/src/"))).href;
    const program = `console.log(JSON.stringify([Object.keys(await import("etcd2${subpath.slice(1)}")), Object.keys(await import("${compiled}"))]))`;
    const [published, meant] = JSON.parse(await script("module", program)) as [string[], string[]];
    assert.ok(published.length > 0);
    assert.deepEqual(published.sort(), meant.sort(), subpath);
  }
  const program = `
    import { UsageError } from "etcd2";
    import { createEtcdCandidate } from "etcd2/election";
    import { undiciExchange } from "etcd2/undici";
    import { createConsulClient } from "etcd2/consul";
    for (const call of [() => createEtcdCandidate({}), () => undiciExchange({ x: 1 }), () => createConsulClient({ address: 1 })]) {
      try { call(); } catch (error) { console.log(error instanceof UsageError); }
    }
  `;
  assert.equal(await script("module", program), "true\ntrue\ntrue\n");
});

test("package: etcd2 loads nothing of etcd2/testing, whose code and types are at most 60 kB of the packed package (X51)", () => {
  const lib = join(projectRoot, "dist", "lib");
  const loaded = filesLoadedBy(join(lib, "core", "index.js"));
  assert.ok(loaded.size > 1);
  const ofTheFake = /the fake etcd is closed|Access-Control-Allow-Methods/;
  assert.match(readFileSync(join(lib, "testing", "index.js"), "utf8"), ofTheFake);
  for (const file of loaded) assert.doesNotMatch(readFileSync(file, "utf8"), ofTheFake, file);
  const types = join(projectRoot, "dist", "src", "testing");
  const declarations = readdirSync(types).filter((name) => name.endsWith(".d.ts") && !name.endsWith(".test.d.ts"));
  const files = [join(lib, "testing", "index.js"), ...declarations.map((name) => join(types, name))];
  const packed = gzipSync(Buffer.concat(files.map((file) => readFileSync(file)))).length;
  assert.ok(packed > 10_000 && packed <= 60_000, `${String(packed)} bytes`);
});

test("package: etcd2 loads no module of etcd2/v3, neither in a separate chunk nor in a shared one", () => {
  const lib = join(projectRoot, "dist", "lib");
  const sourcesOf = (entry: string): readonly string[] =>
    [...filesLoadedBy(join(lib, entry, "index.js"))].flatMap((file) => {
      const { sources } = JSON.parse(readFileSync(`${file}.map`, "utf8")) as { readonly sources: readonly string[] };
      return sources;
    });
  const ofV3 = (source: string): boolean => source.includes("/src/v3/");
  assert.ok(sourcesOf("v3").filter(ofV3).length > 20, "the source maps name the modules");
  const loaded = sourcesOf("core");
  assert.ok(loaded.length > 50);
  assert.deepEqual(loaded.filter(ofV3), []);
});

test("package: with --enable-source-maps, stack traces show the sources", async () => {
  const program =
    'import { Client } from "etcd2"; try { new Client({ endpoints: ["x"] }); } catch ({ stack }) { console.log(stack); }';
  assert.match(await script("module", program, ["--enable-source-maps"]), /[\\/]src[\\/]util[\\/]validate\.ts:\d+/);
});

/** A bundled file, and all files of the package that it imports, statically or dynamically. */
function filesLoadedBy(file: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, path = ""] of readFileSync(file, "utf8").matchAll(/(?:from|import\(|import) ?["'](\.[^"']*)["']/g))
    filesLoadedBy(join(dirname(file), path), found);
  return found;
}

/** Runs a program in the package's own folder, where the package can import itself. Resolves to its stdout. */
async function script(type: "module" | "commonjs", program: string, nodeArgs: readonly string[] = []): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...nodeArgs, `--input-type=${type}`, "--eval", program],
    {
      cwd: projectRoot,
      env: { ...process.env, ENDPOINT: cluster.endpoints[0], NODE_TEST_CONTEXT: undefined },
      // far below the 30 s after which an idle socket is dropped
      timeout: 25_000,
    },
  );
  return stdout;
}
