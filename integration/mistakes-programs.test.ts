// Mistakes that only a whole program shows, and a check that each mistake has its test.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { pathToFileURL } from "node:url";
import { projectRoot } from "../scripts/run.mjs";
import { clusterForTests } from "./support.js";

const cluster = clusterForTests("mistakes");

/** Runs the lines of a program after an import of everything. Resolves to its exit code and its stderr. */
function program(lines: string): Promise<{ readonly code: number | null; readonly stderr: string }> {
  const core = pathToFileURL(join(projectRoot, "dist", "src", "core", "index.js")).href;
  const source = `
    import * as etcd2 from ${JSON.stringify(core)};
    const endpoints = ${JSON.stringify(cluster.endpoints)};
    const { Client, KeysAPI } = etcd2;
    ${lines}`;
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env;
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ["--input-type=module", "--eval", source],
      { env, timeout: 300_000 },
      (_error, _stdout, stderr) => {
        resolve({ code: child.exitCode, stderr });
      },
    );
  });
}

for (const [number, what, lines, text] of [
  [
    28,
    "Client without new",
    "Client({ endpoints });",
    /TypeError: Class constructor Client cannot be invoked without 'new'/,
  ],
  [
    28,
    "a default import",
    `await import("data:text/javascript,import Etcd from " + JSON.stringify(import.meta.resolve(${JSON.stringify(pathToFileURL(join(projectRoot, "dist", "src", "core", "index.js")).href)})));`,
    /does not provide an export named 'default'/,
  ],
  [
    30,
    "a method of another client",
    'new KeysAPI(new Client({ endpoints })).put("/k", "v");',
    /TypeError: .*\.put is not a function/,
  ],
  [
    31,
    "a forgotten await",
    'new KeysAPI(new Client({ endpoints })).set("/k", "v").node.key;',
    /TypeError: Cannot read properties of undefined \(reading 'key'\)/,
  ],
  [
    32,
    "a forgotten await of a call that fails",
    'new KeysAPI(new Client({ endpoints })).get("/config/missing");',
    /EtcdError: 100: Key not found \(\/config\) \[\d+\]; get \/config\/missing at http:\/\/127\.0\.0\.1:\d+\n/,
  ],
] as const) {
  test(`mistakes: ${what} ends the program with a message that names it (M${String(number)})`, async () => {
    const { code, stderr } = await program(lines);
    assert.equal(code, 1);
    assert.match(stderr, text);
  });
}

test("mistakes: a program that does not close its client ends on its own (M58)", async () => {
  const { code, stderr } = await program('await new KeysAPI(new Client({ endpoints })).set("/k", "v");');
  assert.deepEqual([code, stderr], [0, ""]);
});

test("mistakes: the guides have what no message can tell (M30, M49, M52)", () => {
  const guide = (path: string): string => readFileSync(join(projectRoot, "docs", path), "utf8");
  for (const name of ["`mkdir(k)`", "`del(k, ", "`compareAndSwap(k, v, old)`", "`watch`", "`lease.put(k)`"]) {
    assert.ok(guide("moving-here.md").includes(name), name);
  }
  assert.match(guide("guides/watching.md"), /It is not etcd's `waitIndex`, which is one higher/);
  assert.match(guide("guides/getting-started.md"), /Its `node\.dir` is `true`, its `value` is `""`/);
});

test("mistakes: each of the specification's list has a test that bears its number", () => {
  const list = readFileSync(join(projectRoot, "docs", "spec", "mistakes.md"), "utf8");
  const numbers = [...list.matchAll(/^\| M(\d+) /gm)].map(([, number]) => Number(number));
  assert.deepEqual(
    numbers,
    Array.from({ length: 58 }, (_, i) => i + 1),
  );
  const tested = new Set<number>();
  for (const folder of ["src", "integration"]) {
    for (const file of readdirSync(join(projectRoot, folder), { recursive: true, encoding: "utf8" })) {
      if (!/mistakes[\w-]*\.test\.ts$/.test(file)) continue;
      const text = readFileSync(join(projectRoot, folder, file), "utf8");
      for (const [, names = ""] of text.matchAll(/\((M\d+(?:, M\d+)*)\)/g)) {
        for (const [, number] of names.matchAll(/M(\d+)/g)) tested.add(Number(number));
      }
      // rows of a table, whose number goes into the name
      for (const [, number] of text.matchAll(/(?:mistake\(|^ {2}\[)\s*(\d+),\s*(?:"|`)/gm)) tested.add(Number(number));
    }
  }
  assert.deepEqual(
    numbers.filter((number) => !tested.has(number)),
    [],
  );
});
