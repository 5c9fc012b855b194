// A separate process for agent.test.ts. Arguments: what to do, the endpoint, the prefix, the TTL in seconds.
import { createEtcdAgent } from "../src/discovery/index.js";
import { Client } from "../src/core/index.js";

const [, , what = "", endpoint = "", prefix = "", ttl = "15"] = process.argv;
const client = new Client({ endpoints: [endpoint] });
const agent = createEtcdAgent({ client, prefix, ttlMs: Number(ttl) * 1_000 });

if (what === "register") {
  // stays until it is killed
  await agent.register({ id: "child", name: "s", addr: "h", port: 1 });
  console.log("registered");
} else {
  // only the watcher is closed, by break: the process must end by itself
  for await (const events of (await agent.service("s")).watch()) {
    console.log(`first batch of ${String(events.length)}`);
    break;
  }
}
