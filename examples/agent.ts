// Services on etcd: instances register, and others find and watch them. Ends by itself.
import assert from "node:assert/strict";
import { Client } from "etcd2";
import { agentFromContext, createLocalAgent, resolveAddresses, runWithAgent, type Agent } from "etcd2/agent";
import { createEtcdAgent } from "etcd2/discovery";

const endpoints = (process.env["ETCD_ENDPOINTS"] ?? "http://127.0.0.1:2379").split(",");
await using client = new Client({ endpoints });
const prefix = `/agent-example-${String(process.pid)}`;

// Two agents, as if in two processes: one runs the service, the other uses it.
await using server = createEtcdAgent({ client, prefix, ttlMs: 15_000, defaultTags: ["v1"] });
await using user = createEtcdAgent({
  client,
  prefix,
  onWarning: ({ message }) => {
    console.warn(message);
  },
});

await server.register({ id: "web-1", name: "web", addr: "10.0.0.1", port: 80, tags: ["blue"] });
await server.register({ id: "web-2", name: "web", addr: "10.0.0.2", port: 80, tags: ["green"] });

const web = await user.service("web");
console.log(`web runs on ${web.instances.map((instance) => instance.addr()).join(" and ")}`);
const blue = await user.service("web", { tags: ["blue", "v1"] });
assert.deepEqual(
  blue.instances.map(({ id }) => id),
  ["web-1"],
);

// The first batch is the present set; each further one is what changed.
let batches = 0;
for await (const events of web.watch({ signal: AbortSignal.timeout(30_000) })) {
  for (const { op, instance } of events) console.log(`${op} ${instance.id} at ${instance.addr()}`);
  batches++;
  if (batches === 1)
    await server.register(
      { id: "web-2", name: "web", addr: "10.0.0.2", port: 8080, tags: ["green"] },
      { replace: true },
    );
  if (batches === 2) await server.deregister("web-1");
  if (batches === 3) break;
}

// For a load balancer: only the addresses.
for await (const updates of resolveAddresses(web)) {
  assert.deepEqual(updates, [{ op: "add", addr: "10.0.0.2:8080" }]);
  break;
}

// Code deep inside gets the agent from the context, so that a test, or a program without etcd, can provide another one.
async function announce(): Promise<string> {
  const agent: Agent = agentFromContext();
  await agent.register({ id: "job", name: "jobs", addr: "127.0.0.1", port: 9000 });
  return (await agent.service("jobs")).instances.map((instance) => instance.addr()).join();
}
console.log(`in etcd: jobs on ${await runWithAgent(server, announce)}`);
console.log(`in this process alone: jobs on ${await runWithAgent(createLocalAgent(), announce)}`);

await server.leave();
assert.equal((await user.services()).size, 0);
console.log("the server has left, and etcd knows no service any more");
