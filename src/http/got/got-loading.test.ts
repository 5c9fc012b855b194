import assert from "node:assert/strict";
import test from "node:test";
import { gotExchange } from "./got-exchange.js";

// Alone in its file: each file runs in its own process, and only the first request of a process waits for got.
test("got exchange: an abort while got is being loaded rejects at once, with the signal's reason", async () => {
  const abort = new AbortController();
  const call = gotExchange()(new URL("http://127.0.0.1:1/"), { method: "GET", path: "/" }, abort.signal);
  const loaded = import("got").then(() => "got is loaded");
  abort.abort(new Error("over"));
  assert.equal(await Promise.race([loaded, call.catch((error: unknown) => error)]), abort.signal.reason);
  await loaded;
});
