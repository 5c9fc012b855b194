import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { AgentWarning } from "../src/agent/index.js";
import { EndpointError, type Exchange, type RawResponse } from "../src/core/index.js";
import { createEtcdAgent, type EtcdAgentOptions } from "../src/discovery/index.js";
import { gotExchange } from "../src/http/got/got-exchange.js";
import { until } from "../src/test-kit/waiting.js";
import { onBothGateways } from "./v3-support.js";

onBothGateways((ground) => {
  test("v3: of two processes with one instance id the later one keeps it, although its refreshes change no index (V77, FF26)", async () => {
    const namespace = "/two";
    const warnings: AgentWarning[] = [];
    const agentOf = (options: Partial<EtcdAgentOptions> = {}): ReturnType<typeof createEtcdAgent> =>
      createEtcdAgent({ client: ground.client({ namespace }), ttlMs: 3_000, ...options });
    await using old = agentOf({ onWarning: (warning) => warnings.push(warning) });
    await using fresh = agentOf({ onWarning: (warning) => warnings.push(warning) });
    const name = "web";
    await old.register({ id: "web-1", name, addr: "10.0.0.1", port: 80 });
    await fresh.register({ id: "web-1", name, addr: "10.0.0.2", port: 80 });
    await until("the earlier one warns", () => warnings.some(({ code }) => code === "TAKEN_OVER"));
    const keys = ground.keys({ namespace });
    const { modifiedIndex } = (await keys.get("/disco/web/web-1")).node;
    // longer than it takes to claim a key that is not renewed
    await sleep(7_000);
    const { node } = await keys.get("/disco/web/web-1");
    assert.ok(node.value.includes("10.0.0.2"));
    assert.equal(node.modifiedIndex, modifiedIndex, "nobody has written the key");
  });

  test("v3: a process that claims a key with the same value writes it, so that the former owner leaves it alone (V77, FF26)", async () => {
    const namespace = "/same";
    const agentOf = (): ReturnType<typeof createEtcdAgent> =>
      createEtcdAgent({ client: ground.client({ namespace }), ttlMs: 60_000 });
    const [old, fresh] = [agentOf(), agentOf()];
    const instance = { id: "web-1", name: "web", addr: "10.0.0.1", port: 80 };
    await old.register(instance);
    await fresh.register(instance);
    await old.close();
    assert.equal((await fresh.service("web")).instances.length, 1);
    await fresh.close();
    await assert.rejects(ground.keys({ namespace }).get("/disco/web/web-1"), /100/);
  });

  test("v3: after deregistration, a create that got no response brings nothing back when it is applied late (V77, FF11)", async () => {
    const namespace = "/stuck";
    const { transport, deliver } = withStuckCreate();
    await using agent = createEtcdAgent({ client: ground.client({ namespace }, { transport }), ttlMs: 60_000 });
    const reader = createEtcdAgent({ client: ground.client({ namespace }) });
    const addresses = async (): Promise<readonly string[]> =>
      (await reader.service("web")).instances.map(({ host }) => host);
    const instance = { id: "web-1", name: "web", addr: "10.0.0.1", port: 80 };
    await agent.register(instance);
    assert.deepEqual(await addresses(), ["10.0.0.1"]);
    await agent.deregister("web-1");
    assert.deepEqual(await deliver(), { succeeded: false });
    assert.deepEqual(await addresses(), []);
    // the directory that blocks the create does not block the next registration
    await agent.register({ ...instance, addr: "10.0.0.2" });
    assert.deepEqual(await addresses(), ["10.0.0.2"]);
    await reader.close();
  });
});

/** A transport that holds the first transaction that writes a key with a lease, and reports that no response came. `deliver` sends it after all. */
function withStuckCreate(): { readonly transport: Exchange; readonly deliver: () => Promise<{ succeeded: boolean }> } {
  const inner = gotExchange({});
  let send: (() => Promise<RawResponse>) | undefined;
  const exchange: Exchange = (url, spec, signal) => {
    if (send !== undefined || spec.path !== "/v3/kv/txn" || spec.body?.includes('"lease"') !== true)
      return inner(url, spec, signal);
    send = () => inner(url, spec, undefined);
    const fields = { endpoint: url.origin, outcome: "unknown" } as const;
    return Promise.reject(new EndpointError("ERR_HEADER_TIMEOUT", "no response in time", fields));
  };
  return {
    transport: Object.assign(exchange, { close: () => inner.close?.() }),
    deliver: async () => {
      assert.ok(send !== undefined, "a create was held");
      const { status, body } = await send();
      assert.equal(status, 200);
      return { succeeded: (JSON.parse(body) as { readonly succeeded?: boolean }).succeeded === true };
    },
  };
}
