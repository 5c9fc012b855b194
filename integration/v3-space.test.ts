import assert from "node:assert/strict";
import test from "node:test";
import { ClusterError, EndpointError, type KeysResponse } from "../src/core/index.js";
import { onBothGateways } from "./v3-support.js";

const value = "x".repeat(100_000);

onBothGateways(
  (ground) => {
    test("v3: a write that etcd has no space for fails at its endpoint with an unknown outcome: etcd may have carried it out (V68)", async () => {
      const keys = ground.keys();
      const failures: unknown[] = [];
      const create = (key: string): Promise<KeysResponse | undefined> =>
        keys.create(key, value).catch((error: unknown) => {
          failures.push(error);
          return undefined;
        });
      await create("/k0");
      for (let i = 0; i < 20 && !failures.some(isFull); i++)
        await Promise.all(Array.from({ length: 10 }, (_, j) => create(`/k${String(i * 10 + j + 1)}`)));
      assert.ok(failures.some(isFull), String(failures));
      for (const error of failures)
        assert.ok(error instanceof ClusterError && error.outcome === "unknown", String(error));
      assert.equal((await keys.get("/k0", { quorum: true })).node.value, value, "reads go on");
      await keys.delete("/k0");
    });
  },
  ["--quota-backend-bytes=2000000"],
);

function isFull(error: unknown): boolean {
  const [first] = error instanceof ClusterError ? error.errors : [];
  return (
    first instanceof EndpointError &&
    first.code === "ERR_SERVER" &&
    first.errorCode === 300 &&
    first.serverCause === "etcdserver: mvcc: database space exceeded"
  );
}
