import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { projectRoot } from "../scripts/run.mjs";
import { refusedUrl } from "../src/test-kit/scripted-server.js";
import { etcd2, onTerminal, shell, type Ended } from "./cli-support.js";
import { clusterForTests } from "./support.js";

const shared = clusterForTests("cli", { v3: true });
const names = ["ls", "get", "set", "rm", "watch", "export", "import", "serve", "migrate"];

/** Runs the command against the shared cluster. */
function onEtcd(args: readonly string[], input?: string): Promise<Ended> {
  return etcd2(args, { env: environment(), ...(input !== undefined && { input }) });
}

function environment(): Record<string, string> {
  return { ETCD_ENDPOINTS: shared.endpoints.join(",") };
}

/** A directory of its own for each test. */
function dirFor(name: string): string {
  return `${shared.dir}/${name}`;
}

for (const protocol of ["v2", "v3"]) {
  test(
    `cli: each command works with text and with JSON output over ${protocol} (V103)`,
    { timeout: 300_000 },
    async () => {
      const dir = dirFor(`commands-${protocol}`);
      const run = (args: readonly string[], input?: string): Promise<Ended> =>
        onEtcd(["--protocol", protocol, ...args], input);
      const text = async (args: readonly string[], input?: string): Promise<string> => {
        const { code, out, err } = await run(args, input);
        assert.equal(code, 0, err);
        return out;
      };
      const json = async (args: readonly string[]): Promise<Record<string, unknown>[]> =>
        (await text(["--json", ...args]))
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as Record<string, unknown>);

      assert.equal(await text(["set", `${dir}/greeting`, "hello"]), "");
      assert.equal(await text(["get", `${dir}/greeting`]), "hello\n");
      assert.equal(await text(["set", `${dir}/lines`, "-"], "one\ntwo\n"), "");
      assert.equal(await text(["get", `${dir}/lines`]), "one\ntwo\n\n");
      const [made] = await json(["set", "--create", "--ttl", "300", `${dir}/sub/new`, "x"]);
      assert.deepEqual([made?.["action"], made?.["key"], made?.["ttl"]], ["create", `${dir}/sub/new`, 300]);
      const [got] = await json(["get", `${dir}/sub/new`]);
      assert.deepEqual([got?.["value"], got?.["modifiedIndex"]], ["x", made?.["modifiedIndex"]]);
      assert.equal(await text(["set", "--update", `${dir}/greeting`, "hi"]), "");
      assert.equal(await text(["set", "--prev-value", "hi", `${dir}/greeting`, "ho"]), "");
      assert.match(await text(["set", "--in-order", `${dir}/queue`, "first"]), new RegExp(`^${dir}/queue/\\d{20}\n$`));
      assert.equal(await text(["set", "--dir", `${dir}/empty`]), "");

      assert.deepEqual((await text(["ls", dir])).split("\n"), [
        `${dir}/empty/`,
        `${dir}/greeting`,
        `${dir}/lines`,
        `${dir}/queue/`,
        `${dir}/sub/`,
        "",
      ]);
      const all = (await json(["ls", "-r", dir])).map(
        ({ key, dir: isDir }) => `${String(key)}${isDir === true ? "/" : ""}`,
      );
      assert.ok(all.includes(`${dir}/sub/new`) && all.includes(`${dir}/sub/`), all.join(" "));

      assert.equal(await text(["rm", `${dir}/greeting`]), "");
      assert.deepEqual(
        (await json(["rm", "-r", `${dir}/queue`])).map(({ action, key }) => [action, key]),
        [["delete", `${dir}/queue`]],
      );
      const exported = await text(["export", dir]);
      assert.deepEqual(
        exported
          .trim()
          .split("\n")
          .map((line) => (JSON.parse(line) as { key: string }).key),
        [`${dir}/empty`, `${dir}/lines`, `${dir}/sub/new`],
      );
      await text(["rm", "-r", dir]);
      assert.deepEqual(JSON.parse((await text(["--json", "import"], exported)).trim().split("\n").at(-1) ?? ""), {
        phase: "import",
        done: 3,
        exit: 0,
      });
      assert.equal(await text(["get", `${dir}/lines`]), "one\ntwo\n\n");
      const [back] = await json(["get", `${dir}/sub/new`]);
      assert.ok(Number(back?.["ttl"]) > 200, "the TTL came along");
    },
  );
}

test("cli: every command has a help with an example, and --version prints the version", async (t) => {
  for (const name of names) {
    const { code, out } = await etcd2([name, "--help"]);
    assert.equal(code, 0);
    assert.match(out, new RegExp(`^Usage: etcd2 .*${name}`));
    assert.match(out, new RegExp(`Examples?:\n  (.* )?etcd2 (--json )?${name}`), out);
  }
  const general = await etcd2(["--help"]);
  for (const name of names) assert.ok(general.out.includes(`  ${name} `), name);
  const beganMs = performance.now();
  const { out } = await etcd2(["--version"]);
  t.diagnostic(`--version took ${(performance.now() - beganMs).toFixed(0)} ms`);
  const { version } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as { version: string };
  assert.equal(out, `${version}\n`);
});

test("cli: wrong usage exits with 2 and one line, and sends nothing (V105)", { timeout: 300_000 }, async () => {
  const nobody = await refusedUrl();
  const wrong: readonly (readonly string[])[] = [
    [],
    ["frobnicate"],
    ["ls", "--frobnicate"],
    ["get"],
    ["get", "/a", "/b"],
    ["set", "/a"],
    ["set", "--dir", "/a", "x"],
    ["set", "--create", "--update", "/a", "x"],
    ["set", "--create", "--prev-index", "3", "/a", "x"],
    ["set", "--ttl", "soon", "/a", "x"],
    ["watch", "--after", "1.5", "/a"],
    ["--timeout", "0", "ls"],
    ["--protocol", "v4", "ls"],
    ["--namespace", "/x", "ls"],
    ["--endpoints", "nonsense", "ls"],
    ["--cacert", "/no/such/file", "ls"],
    ["--user", "root:secret", "ls"],
    ["--user", "root", "ls"],
    ["get", "/a/../b"],
  ];
  const ends = await Promise.all(wrong.map((args) => etcd2(args, { env: { ETCD_ENDPOINTS: nobody } })));
  for (const [i, { code, out, err }] of ends.entries()) {
    const what = `etcd2 ${(wrong[i] ?? []).join(" ")}: ${err}`;
    assert.equal(code, 2, what);
    assert.equal(out, "", what);
    assert.match(err, /^etcd2: [^\n]+\n$/, what);
    assert.doesNotMatch(err, /secret/, what);
  }
});

test("cli: a refusal exits with 1, an unreachable cluster with 3, each with one line", async () => {
  const missing = await onEtcd(["get", dirFor("missing")]);
  assert.deepEqual([missing.code, missing.out], [1, ""]);
  assert.match(missing.err, /^etcd2: 100: Key not found[^\n]*\n$/);
  const directory = await onEtcd(["get", "/"]);
  assert.deepEqual([directory.code, directory.err], [1, "etcd2: / is a directory: list it with etcd2 ls\n"]);
  const away = await etcd2(["--endpoints", await refusedUrl(), "ls"]);
  assert.deepEqual([away.code, away.out], [3, ""]);
  assert.match(away.err, /^etcd2: [^\n]*ECONNREFUSED[^\n]*\n$/);
  const bad = await onEtcd(["import"], `{"key":"${dirFor("one")}","value":"s3cret"}\nnonsense s3cret\n`);
  assert.equal(bad.code, 1);
  assert.match(bad.err, /line 2 is not a JSON object/);
  assert.doesNotMatch(bad.err, /s3cret/);
  assert.equal((await onEtcd(["get", dirFor("one")])).out, "s3cret\n");
});

test("cli: a shell pipeline copies a tree, and ends quietly when its reader stops reading", async () => {
  const dir = dirFor("pipe");
  for (let i = 0; i < 5; i++) await shared.keys.set(`${dir}/${String(i)}`, `v${String(i)} "é😀"\n`);
  const copy = `set -o pipefail; etcd2 export ${dir} | sed 's#${dir}#${dir}-copy#' | etcd2 import`;
  const copied = await shell(copy, environment());
  assert.equal(copied.code, 0, copied.err);
  const { node } = await shared.keys.get(`${dir}-copy`);
  assert.deepEqual(
    node.nodes.map(({ value }) => value).sort(),
    [0, 1, 2, 3, 4].map((i) => `v${String(i)} "é😀"\n`),
  );
  const { index } = await shared.keys.set(`${dir}/watched`, "1");
  // more events than are read: the command ends with the first one that nobody reads
  for (let i = 2; i < 10; i++) await shared.keys.set(`${dir}/watched`, String(i));
  const watch = `etcd2 watch --after ${String(index)} -r ${dir}`;
  const head = await shell(`set -o pipefail; ${watch} | head -2`, environment());
  assert.equal(head.code, 0, head.err);
  assert.equal(head.out.trim().split("\n").length, 2);
  assert.equal(head.err, "");
  const listed = await shell(`etcd2 ls ${dir}`, environment());
  assert.ok(!listed.out.includes("\u001b"), "no colours in a pipe");
});

test(
  "cli: watch prints events as they come, and Ctrl-C on a terminal exits with 130",
  { timeout: 300_000 },
  async () => {
    const dir = dirFor("watched");
    const { index } = await shared.keys.set(`${dir}/a`, "1");
    const terminal = onTerminal(["watch", "-r", "--after", String(index - 1), dir], environment());
    await terminal.untilShown(`${dir}/a "1"`);
    await shared.keys.set(`${dir}/b`, "two\nlines");
    await terminal.untilShown(`${dir}/b "two\\nlines"`);
    assert.match(terminal.shown(), /\[32mset.*\[39m/, "coloured");
    terminal.type("\u0003");
    assert.equal(await terminal.ended, 130);
    assert.match(terminal.shown(), /etcd2: interrupted\r?\n$/);
  },
);

test("cli: colours are off with NO_COLOR, also on a terminal", { timeout: 300_000 }, async () => {
  const dir = dirFor("plain");
  await shared.keys.set(`${dir}/sub/a`, "1");
  const coloured = onTerminal(["ls", dir], environment());
  assert.equal(await coloured.ended, 0);
  assert.match(coloured.shown(), /\[34m.*sub\//);
  const plain = onTerminal(["ls", dir], { ...environment(), NO_COLOR: "1" });
  assert.equal(await plain.ended, 0);
  assert.equal(plain.shown().trim(), `${dir}/sub/`);
});

test("cli: a password is asked for on the terminal, and never shown", { timeout: 300_000 }, async () => {
  // auth is off: any password is accepted
  const terminal = onTerminal(["--user", "root", "get", dirFor("with-password")], environment());
  await shared.keys.set(dirFor("with-password"), "yes");
  await terminal.untilShown("password of root: ");
  terminal.type("s3cret\r");
  assert.equal(await terminal.ended, 0, terminal.shown());
  assert.match(terminal.shown(), /yes/);
  assert.doesNotMatch(terminal.shown(), /s3cret/);
  const stopped = onTerminal(["--user", "root", "ls"], environment());
  await stopped.untilShown("password of root: ");
  stopped.type("\u0003");
  assert.equal(await stopped.ended, 130);
});

test("cli: export and import keep only a part of the tree in memory", { timeout: 240_000 }, async () => {
  const dir = dirFor("large");
  const lines: string[] = [];
  // 40 MB, in a heap of 32
  for (let i = 0; i < 2_000; i++) {
    const key = `${dir}/${String(Math.floor(i / 50)).padStart(2, "0")}/${String(i).padStart(4, "0")}`;
    lines.push(JSON.stringify({ key, value: `${String(i)} ${"x".repeat(20_000)}` }));
  }
  const input = `${lines.join("\n")}\n`;
  const options = { env: environment(), nodeArgs: ["--max-old-space-size=32"] };
  const imported = await etcd2(["import"], { ...options, input });
  assert.equal(imported.code, 0, imported.err.slice(-2_000));
  assert.match(imported.err, /import: 2000 keys in [\d.]+ s\n$/);
  const exported = await etcd2(["export", dir], options);
  assert.equal(exported.code, 0, exported.err.slice(-2_000));
  assert.ok(exported.out === input, "the export is the same as what was imported");
  await shared.keys.delete(dir, { recursive: true });
});

test("cli: progress is one line that is redrawn on a terminal", { timeout: 300_000 }, async () => {
  const dir = dirFor("progress");
  for (let i = 0; i < 100; i++) await shared.keys.set(`${dir}/${String(i)}/k`, "v");
  const terminal = onTerminal(["export", dir], environment());
  assert.equal(await terminal.ended, 0);
  assert.match(terminal.shown(), /export: 100 keys in [\d.]+ s\r\n$/);
});

test("cli: the command is one file, and the library does not load it (V107)", async () => {
  const bin = join(projectRoot, "dist", "bin", "etcd2.js");
  const { stdout } = await promisify(execFile)(process.execPath, [bin, "--help"]);
  assert.match(stdout, /^Usage: etcd2/);
  const source = readFileSync(bin, "utf8");
  assert.match(source, /^#!\/usr\/bin\/env node\n/);
  assert.deepEqual(
    [...source.matchAll(/(?:from|import\() ?["'](\.[^"']*)["']/g)].map(([, path]) => path),
    [],
    "nothing beside it is imported",
  );
  const lib = join(projectRoot, "dist", "lib");
  for (const file of readdirSync(lib, { recursive: true, encoding: "utf8" })) {
    if (file.endsWith(".js")) assert.doesNotMatch(readFileSync(join(lib, file), "utf8"), /Usage: etcd2/, file);
  }
});
