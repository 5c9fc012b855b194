import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "../util/errors.js";
import { consulAgentSuite } from "./test-kit/consul-agent-suite.js";
import { memoryServers } from "./test-kit/consul-server.js";
import { useVirtualTime } from "../test-kit/virtual-time.js";
import { createConsulAgent, createConsulClient, type ConsulAgentOptions } from "./index.js";

useVirtualTime();
consulAgentSuite("fake Consul", memoryServers());

test("consul agent: bad options are refused (FF48)", () => {
  const client = createConsulClient();
  const bad: readonly unknown[] = [
    undefined,
    null,
    {},
    { client: {} },
    { client, dc: 1 },
    { client, check: true },
    { client, check: { ttlMs: 0, deregisterAfterMs: 1 } },
    { client, check: { ttlMs: 1_000 } },
    { client, onWarning: 1 },
    { client, tags: [] },
    { client, advertiseAddress: "" },
  ];
  for (const options of bad)
    assert.throws(() => createConsulAgent(options as ConsulAgentOptions), UsageError, JSON.stringify(options));
});
