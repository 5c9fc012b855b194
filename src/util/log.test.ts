import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { isLogLoaded, loadLog, log } from "./log.js";

/** The compiled modules that are published. */
const root = fileURLToPath(new URL("..", import.meta.url));

test("log: a channel set before debug is loaded keeps its setting, and loading twice loads once", async () => {
  log.curl.enabled = true;
  assert.equal(log.curl.enabled, true);
  await Promise.all([loadLog(), loadLog()]);
  assert.ok(isLogLoaded());
  assert.equal(log.curl.enabled, true);
  log.curl.enabled = false;
  assert.equal(log.curl.enabled, false);
  assert.equal(log.http.enabled, false);
});

test("modules: all are loaded in a way that bundlers and tracers can follow (FF8)", () => {
  // the command is a separate program that is not bundled
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".js") && !/\.test\.js$|test-kit|^cli\b/.test(file),
  );
  assert.ok(files.length > 100);
  for (const file of files) {
    const code = readFileSync(join(root, file), "utf8").replace(/\/\*.*?\*\/|\/\/.*$/gms, "");
    assert.doesNotMatch(code, /createRequire|(?<![.\w])require\(|import\.meta|\bimport\((?!")/, file);
  }
});
