import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { projectRoot } from "../scripts/run.mjs";
import { consulClientSuite } from "../src/consul/test-kit/consul-client-suite.js";
import { consulTimeSuite } from "../src/consul/test-kit/consul-time-suite.js";
import { test } from "../src/test-kit/register.js";
import { onRealConsul } from "./consul-support.js";

onRealConsul((start) => {
  consulClientSuite("real Consul", start);
  consulTimeSuite("real Consul", start);

  test("examples/consul-leader.ts runs to its end", async (t) => {
    const server = await start();
    t.after(() => server.stop());
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(projectRoot, "dist", "examples", "consul-leader.js")],
      {
        env: { ...process.env, CONSUL_ADDRESS: server.url },
        timeout: 300_000,
      },
    );
    assert.match(stdout, /leads; the token.*no longer leads.*Both have left/s);
  });
});
