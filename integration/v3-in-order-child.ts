// Makes keys in order, and writes their names: node v3-in-order-child.js ENDPOINT NAMESPACE COUNT
import { Client, KeysAPI } from "../src/core/index.js";
import { v3Protocol } from "../src/v3/index.js";

const [endpoint = "", namespace = "", count = "0"] = process.argv.slice(2);
await using client = new Client({
  endpoints: [endpoint],
  protocol: v3Protocol({ namespace }),
  headerTimeoutMs: 60_000,
});
const keys = new KeysAPI(client);
for (let i = 0; i < Number(count); i++) console.log((await keys.createInOrder("/q", String(i))).node.key);
