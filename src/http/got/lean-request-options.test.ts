import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { Options } from "got";
import { ClusterError } from "../../util/errors.js";
import { clusterOf, rejection, settled } from "../../test-kit/scripted-cluster.js";
import { closeUnanswered, headersOnly, ok, refusedUrl, silence } from "../../test-kit/scripted-server.js";
import { limitMs } from "../../test-kit/waiting.js";
import { gotExchange } from "./got-exchange.js";

const original =
  Object.getOwnPropertyDescriptor(Options.prototype, "createNativeRequestOptions") ??
  assert.fail("got has no createNativeRequestOptions");
const make = original.value as (this: Options) => ReturnType<Options["createNativeRequestOptions"]>;

test("lean request options: got uses our options object instead of creating its own", async (t) => {
  let own = 0;
  Options.prototype.createNativeRequestOptions = function (this: Options) {
    own++;
    return make.call(this);
  };
  t.after(restore);
  const { keys, seen } = await clusterOf(t, [[ok()]]);
  await keys.get("/k");
  await keys.set("/k", "v");
  await keys.delete("/k");
  assert.equal(
    own,
    0,
    "a got update no longer takes our createNativeRequestOptions: requests still work, but slowly (see bench/)",
  );
  assert.deepEqual(
    seen(0).map(({ method, body }) => [method, body]),
    [
      ["GET", ""],
      ["PUT", "value=v"],
      ["DELETE", ""],
    ],
  );
});

test("lean request options: a got that creates its own options sends the same requests", async (t) => {
  const asked = ownOptions(t);
  const { keys, client, seen } = await clusterOf(t, [[ok()]], { username: "root", password: "secret" });
  await keys.get("/k");
  await keys.set("/k", "v");
  await keys.delete("/k");
  await client.send({ method: "PUT", path: "/x", bytes: new TextEncoder().encode("bytes") });
  assert.equal(asked(), 4);
  assert.deepEqual(
    seen(0).map(({ method, target, body }) => [method, target, body]),
    [
      ["GET", "/v2/keys/k?quorum=false&recursive=false&sorted=false", ""],
      ["PUT", "/v2/keys/k", "value=v"],
      ["DELETE", "/v2/keys/k", ""],
      ["PUT", "/x", "bytes"],
    ],
  );
  for (const { headers } of seen(0)) assert.match(headers.authorization ?? "", /^Basic /);
  assert.deepEqual(
    seen(0).map(({ headers }) => headers["content-type"]),
    [undefined, formType, formType, undefined],
  );
});

test("lean request options: a got that creates its own options reports the same failures and releases its sockets", async (t) => {
  ownOptions(t);
  const { keys, server } = await clusterOf(t, [[closeUnanswered(), silence(), headersOnly()]], {
    headerTimeoutMs: limitMs,
  });
  const closed = await rejection(keys.create("/k", "v"), ClusterError);
  assert.deepEqual([closed.outcome, closed.errors.map(({ code }) => code)], ["unknown", ["ERR_NETWORK"]]);
  const late = await rejection(keys.create("/k", "v"), ClusterError);
  assert.deepEqual([late.outcome, late.errors.map(({ code }) => code)], ["unknown", ["ERR_HEADER_TIMEOUT"]]);
  const abort = new AbortController();
  const aborted = settled(keys.watcher("/k").next(abort.signal));
  await server(0).received(3);
  abort.abort(new Error("over"));
  assert.equal(await aborted, abort.signal.reason);
  await server(0).connectionsDownTo(0);
  const exchange = gotExchange();
  await assert.rejects(exchange(new URL(await refusedUrl()), { method: "PUT", path: "/", body: "v" }, undefined), {
    outcome: "notApplied",
  });
  await exchange.close?.();
});

const formType = "application/x-www-form-urlencoded";

/** Simulates a got that ignores our options and creates its own. Counts how often it does. */
function ownOptions(t: TestContext): () => number {
  let asked = 0;
  Object.defineProperty(Options.prototype, "createNativeRequestOptions", {
    configurable: true,
    get: () =>
      function (this: Options) {
        asked++;
        return make.call(this);
      },
    set: () => undefined,
  });
  t.after(restore);
  return () => asked;
}

function restore(): void {
  Object.defineProperty(Options.prototype, "createNativeRequestOptions", original);
}
