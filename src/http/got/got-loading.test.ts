import assert from "node:assert/strict";
import test from "node:test";
import { gotExchange } from "./got-exchange.js";

// alone in its file, since each file is a process of its own: only the first request of a process waits for got
test("an abort while got is being loaded ends the request at once, with the signal's reason", async () => {
  const abort = new AbortController();
  const call = gotExchange()(new URL("http://127.0.0.1:1/"), { method: "GET", path: "/" }, abort.signal);
  const loaded = import("got").then(() => "got is loaded");
  abort.abort(new Error("over"));
  assert.equal(await Promise.race([loaded, call.catch((error: unknown) => error)]), abort.signal.reason);
  await loaded;
});
