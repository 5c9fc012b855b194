import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { startFakeEtcd } from "../src/testing/index.js";

/** Suites of the core and of its layers that need no member of their own. */
const suites = ["keys", "watch", "typed-keys", "namespace", "lock", "discovery-lookup"];

test("fake etcd: the suites of the layers have the same results as with a real etcd (X46)", async (t) => {
  await using etcd = await startFakeEtcd();
  const files = suites.map((suite) => fileURLToPath(new URL(`${suite}.test.js`, import.meta.url)));
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env;
  const child = spawn(process.execPath, ["--test", "--test-reporter=tap", ...files], {
    env: { ...env, ETCD_ENDPOINTS: etcd.endpoints.join(",") },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  const status = await new Promise((resolve) => child.once("close", resolve));
  const failures = output.match(/^not ok [^]*?^ {2}\.\.\.$/gm) ?? [];
  assert.equal(status, 0, failures.join("\n"));
  const passed = Number(/^# pass (\d+)$/m.exec(output)?.[1]);
  t.diagnostic(`${String(passed)} tests of ${String(suites.length)} suites`);
  assert.ok(passed > 50 && /^# fail 0$/m.test(output) && /^# skipped 0$/m.test(output), output.slice(-500));
  // the suites really used the fake
  assert.ok(etcd.requests.length > 100);
});
