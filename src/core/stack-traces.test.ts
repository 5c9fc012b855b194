import assert from "node:assert/strict";
import test from "node:test";
import { Client } from "./client.js";
import type { Exchange, RawResponse } from "../http/exchange.js";
import { KeysAPI } from "./keys.js";

// the decoding of an event alone has ten frames, as many as V8 keeps by default
Error.stackTraceLimit = 20;

/** Keys on a transport of its own, which does not answer in the same turn. */
function keysOf(respond: () => RawResponse): KeysAPI {
  const exchange: Exchange = async () => {
    await new Promise(setImmediate);
    return respond();
  };
  const transport = Object.assign(exchange, { sharesSignals: true });
  return new KeysAPI(new Client({ endpoints: ["http://127.0.0.1:2379"], transport }));
}

const refusal = (): RawResponse => ({
  status: 404,
  headers: {},
  body: JSON.stringify({ errorCode: 100, message: "Key not found", cause: "/a", index: 7 }),
});

function broken(): never {
  throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
}

const calls: Readonly<Record<string, (keys: KeysAPI) => Promise<unknown>>> = {
  get: (keys) => keys.get("/a"),
  set: (keys) => keys.set("/a", "v"),
  "set without the node": (keys) => keys.set("/a", "v", { noValueOnSuccess: true }),
  create: (keys) => keys.create("/a", "v"),
  update: (keys) => keys.update("/a", "v"),
  refresh: (keys) => keys.refresh("/a", 10),
  createInOrder: (keys) => keys.createInOrder("/a", "v"),
  delete: (keys) => keys.delete("/a"),
  "watcher.next": (keys) => keys.watcher("/a").next(),
  "watcher.events": (keys) => keys.watcher("/a").events().next(),
};

for (const [what, respond] of [
  ["a refusal by etcd", refusal],
  ["the failure of all endpoints", broken],
] as const) {
  for (const [name, call] of Object.entries(calls)) {
    test(`stack traces: ${name}: the stack of ${what} shows the function of the program that awaits the call`, async () => {
      const keys = keysOf(respond);
      // the first call loads what calls need
      await keys.get("/a").catch(() => undefined);
      async function functionOfTheProgram(): Promise<void> {
        await call(keys);
      }
      const error: unknown = await functionOfTheProgram().catch((thrown: unknown) => thrown);
      assert.ok(error instanceof Error);
      assert.match(error.stack ?? "", /at async functionOfTheProgram/);
    });
  }
}

test("keys: bad arguments reject, and never throw", async () => {
  const keys = keysOf(refusal);
  const bad = [
    () => keys.get("/../a"),
    () => keys.set("/a", 1 as unknown as string),
    () => keys.create("/a", "v", null as unknown as undefined),
    () => keys.update("/a", "v", { ttl: -1 }),
    () => keys.refresh("/a", NaN),
    () => keys.createInOrder("/..", "v"),
    () => keys.delete("/a", { prevIndex: 0 }),
  ];
  // the second time everything is loaded
  for (const call of [...bad, ...bad]) await assert.rejects(call(), { code: "ERR_ARGUMENT" });
});

test("keys: a sender that throws, or returns no promise, is as good as one that is async", async () => {
  const send = (): never => {
    throw new TypeError("mine");
  };
  const at = (sent: unknown): KeysAPI => new KeysAPI({ send: () => sent as Promise<RawResponse> });
  await assert.rejects(new KeysAPI({ send }).get("/a"), { message: "mine" });
  await assert.rejects(at(refusal()).get("/a"), { errorCode: 100 });
  const thenable = {
    then: (resolve: (raw: RawResponse) => void) => {
      resolve(refusal());
    },
  };
  await assert.rejects(at(thenable).get("/a"), { errorCode: 100 });
});
