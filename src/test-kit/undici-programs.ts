import { once } from "node:events";
import { undiciExchange } from "../http/undici/index.js";

// runs in a process of its own, against a server in the test's process: a read, then a watch that stdin's end aborts.
// Nothing is closed: the kept connection must not keep the process alive.
const [, , url = ""] = process.argv;
const exchange = undiciExchange();
const abort = new AbortController();
await exchange(new URL(url), { method: "GET", path: "/" }, undefined);
const watch = exchange(new URL(url), { method: "GET", path: "/", longPoll: true }, abort.signal).catch(() => undefined);
process.stdin.resume();
await once(process.stdin, "end");
abort.abort();
await watch;
await exchange(new URL(url), { method: "GET", path: "/" }, undefined);
