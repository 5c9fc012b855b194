import { Client } from "../core/client.js";

// runs in a process of its own, against a server that never ends its responses: the process ends, since its only
// request does not keep it alive
const [, , url = ""] = process.argv;
const client = new Client({ endpoints: [url] });
void client.send({
  method: "GET",
  path: "/",
  longPoll: true,
  onHeaders: (_head, connection) => connection?.unref(),
});
