import assert from "node:assert/strict";
import test from "node:test";
import { Client, ClusterError, type Exchange } from "../../core/index.js";
import { failWhenStopped } from "./stopped-member.js";
import { Target } from "./target.js";

const stopped = { status: 408, headers: {}, body: '{"code":1,"message":"grpc: the client connection is closing"}' };
const done = { header: { cluster_id: "10", revision: "7" }, succeeded: true, responses: [{ response_put: {} }] };

test("migrate: a member of --to that is being stopped is passed over, as one that is down", async () => {
  for (const [endpoints, retryForMs] of [
    [["http://a:2379", "http://b:2379"], 0],
    [["http://a:2379"], 60_000],
  ] as const) {
    let requests = 0;
    const transport: Exchange = () =>
      Promise.resolve(++requests === 1 ? stopped : { status: 200, headers: {}, body: JSON.stringify(done) });
    await using client = new Client({ endpoints, retryForMs, transport, protocol: failWhenStopped });
    const { signal } = new AbortController();
    const target = new Target({ client, credentials: undefined, namespace: "", signal });
    assert.ok((await target.write({ compare: [], success: [] })).succeeded);
    assert.equal(requests, 2);
  }
});

test("migrate: when all members of --to are being stopped no endpoint answers", async () => {
  const transport: Exchange = () => Promise.resolve(stopped);
  await using client = new Client({ endpoints: ["http://a:2379"], transport, protocol: failWhenStopped });
  const { signal } = new AbortController();
  const target = new Target({ client, credentials: undefined, namespace: "", signal });
  await assert.rejects(target.write({ compare: [], success: [] }), (error) => {
    assert.ok(error instanceof ClusterError);
    return error.outcome === "unknown" && error.message.includes("the client connection is closing");
  });
});
