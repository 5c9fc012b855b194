import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../core/client.js";
import {
  clientOf,
  headersOnly,
  reply,
  ScriptedServer,
  silence,
  type Answer,
  type SeenRequest,
} from "../test-kit/scripted-server.js";
import { until } from "../test-kit/waiting.js";
import { createEtcdCandidate } from "./etcd-lock.js";

const config = { key: "jobs/leader", contactInfo: "http://h/?a=1&b=<2>", ttlMs: 5_400 } as const;

/** Plays a key that is free, as far as one leader can tell. */
function etcd(): Answer {
  let modifiedIndex = 7;
  return (response, request, socket) => {
    const wait = request.query.includes("wait=true");
    const answer =
      request.method === "GET" && wait
        ? headersOnly()
        : reply(200, body(request, ++modifiedIndex), { "x-etcd-index": String(modifiedIndex) });
    return answer(response, request, socket);
  };
}

function body({ method, form }: SeenRequest, modifiedIndex: number): object {
  value = form.find((field) => field.startsWith("value="))?.slice("value=".length) ?? value;
  return {
    action: method === "DELETE" ? "compareAndDelete" : "set",
    node: { key: "/jobs/leader", value, createdIndex: 8, modifiedIndex },
  };
}

let value = "";

test("etcd election: sends create, refresh from the known index, compare-and-delete (consul 49)", async (t) => {
  await using server = await ScriptedServer.start(etcd());
  const client = clientOf([server]);
  t.after(() => client.close());
  const beats = (): readonly SeenRequest[] => server.requests.filter(({ form }) => form.includes("refresh=true"));
  await createEtcdCandidate({ client }).run(config, async (_signal, { fencingToken }) => {
    assert.equal(fencingToken, "8");
    await until("two beats, the second after the first was answered", () => new Set(beats().map(prevIndexOf)).size > 1);
  });
  const writes = server.requests.filter(({ method }) => method !== "GET");
  const [create, release] = [writes[0], writes.at(-1)];
  const [first, second] = [beats()[0], beats().at(-1)];
  assert.deepEqual([create?.method, create?.path, create?.query], ["PUT", "/v2/keys/jobs/leader", ["prevExist=false"]]);
  assert.match(value, /^\{"session":"[0-9a-f-]{36}","contact":"http:\/\/h\/\?a=1&b=<2>"\}$/);
  assert.deepEqual(create?.form, ["ttl=6", `value=${value}`]);
  assert.deepEqual(first?.form, ["refresh=true", "ttl=6"]);
  assert.deepEqual(
    first.query.filter((field) => !field.startsWith("prevIndex")),
    ["prevExist=true", `prevValue=${value}`],
  );
  const indexes = [first, second].map(prevIndexOf);
  assert.ok(
    (indexes[0] ?? 0) >= 8 && (indexes[1] ?? 0) > (indexes[0] ?? 0),
    `each from the one before: ${indexes.join(", ")}`,
  );
  assert.deepEqual([release?.method, release?.query], ["DELETE", [`prevValue=${value}`]]);
});

function prevIndexOf(beat: SeenRequest | undefined): number {
  return Number(beat?.query.find((field) => field.startsWith("prevIndex="))?.slice("prevIndex=".length));
}

test("etcd election: a silent endpoint is left after a part of the TTL, whatever the client's own limit (consul 49)", async (t) => {
  await using frozen = await ScriptedServer.start(silence());
  await using server = await ScriptedServer.start(etcd());
  const client = clientOf([frozen, server], { headerTimeoutMs: 60_000 });
  t.after(() => client.close());
  const begunMs = performance.now();
  await createEtcdCandidate({ client }).run({ ...config, ttlMs: 24_000 }, () => {
    assert.ok(performance.now() - begunMs < 20_000);
    assert.equal(frozen.requests.length, 1, "asked once, as the first contact");
  });
});

test("etcd election: the limits of a spec lower the client's limits and never raise them (consul 49)", async () => {
  const seen: unknown[] = [];
  const client = new Client({
    endpoints: ["http://h"],
    headerTimeoutMs: 1_000,
    bodyIdleTimeoutMs: 2_000,
    transport: (_url, { limits }) => {
      seen.push([limits?.headersMs, limits?.idleMs]);
      return Promise.resolve({ status: 200, headers: {}, body: "" });
    },
  });
  await client.send({ method: "GET", path: "/" });
  await client.send({ method: "GET", path: "/", limits: { headersMs: 500, idleMs: 3_000 } });
  assert.deepEqual(seen, [
    [1_000, 2_000],
    [500, 2_000],
  ]);
});
