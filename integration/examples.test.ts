import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { projectRoot } from "../scripts/run.mjs";
import { withoutStalled } from "../src/test-kit/child.js";
import { clusterForTests } from "./support.js";

// Runs the examples as a user does, against the built package. nginx-upstreams and consul-leader have tests of their
// own.
const cluster = clusterForTests("examples");

for (const [example, says] of [
  [
    "quickstart",
    /compareAndSwap: "hello" became "hello, world".*isCompareFailed\(error\) is true.*expire: "bob" became nothing.*That was all/s,
  ],
  ["discovery", /came: node-a.*came: node-b.*went: node-b/s],
  ["agent", /add web-1.*delete web-1.*the server has left/s],
  ["lock", /2 at a time.*three holders, tokens \d+ < \d+ < \d+.*was refused/s],
  ["election", /three leaders, tokens \d+ < \d+ < \d+.*was refused.*closed: nobody contests any more/s],
  [
    "opentelemetry",
    /span set: [1-9]\d* attempts.*span get: [1-9]\d* attempts.*span delete: [1-9]\d* attempts.*metric db\.client\.operation\.duration: 3 series/s,
  ],
] as const) {
  test(`examples/${example}.ts runs to its end`, async () => {
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [withoutStalled, join(projectRoot, "dist", "examples", `${example}.js`)],
      {
        env: { ...process.env, ETCD_ENDPOINTS: cluster.endpoints.join(",") },
        timeout: 300_000,
      },
    );
    assert.match(stdout, says);
    // the quick start shows what it sends
    const others = stderr.split("\n").filter((line) => line !== "" && !line.includes(" etcd2:curl "));
    assert.deepEqual(others, [], "no warning (FF30)");
  });
}
