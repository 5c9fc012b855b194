// Two candidates on one Consul: one leads, resigns, and the other one takes over. Ends by itself.
import assert from "node:assert/strict";
import { createConsulClient } from "etcd2/consul";

const address = process.env["CONSUL_ADDRESS"] ?? "http://127.0.0.1:8500";
await using client = createConsulClient({ address });
const key = `examples/leader-${String(process.pid)}`;
const { name } = await client.self();
console.log(`The agent at ${address} runs on the node ${name}.`);

const terms: string[] = [];
const sessions = await Promise.all(
  ["ann", "bob"].map((who) =>
    client.participate(
      { key, contactInfo: `http://${who}.example`, lockDelayMs: 1_000, cooldownMs: 5_000 },
      async ({ signal, fencingToken }) => {
        console.log(`${who} leads; the token for what it writes is ${fencingToken}.`);
        terms.push(who);
        // a leader works until its signal aborts
        await new Promise((resolve) => {
          signal.addEventListener("abort", resolve, { once: true });
          if (signal.aborted) resolve(undefined);
        });
        console.log(`${who} no longer leads: ${String(signal.reason)}`);
      },
    ),
  ),
);

while (terms.length < 2) {
  const leader = sessions.find((session) => session.isLeader);
  if (leader !== undefined) {
    console.log(`Others see ${String(await leader.current())}.`);
    await leader.abdicate();
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
}
assert.deepEqual([...terms].sort(), ["ann", "bob"]);

await Promise.all(sessions.map((session) => session.close()));
await client.delete(key);
console.log("Both have left.");
