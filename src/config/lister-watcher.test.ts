import assert from "node:assert/strict";
import test from "node:test";
import { Client } from "../core/index.js";
import { patience } from "../test-kit/waiting.js";
import { createFakeEtcd } from "../testing/index.js";
import { etcdListerWatcher, type ListerWatcher } from "./index.js";

interface Item {
  readonly text: string;
  readonly version: number;
}

interface Ground extends AsyncDisposable {
  readonly etcd: ReturnType<typeof createFakeEtcd>;
  readonly api: ListerWatcher<Item>;
}

function ground(): Ground {
  const etcd = createFakeEtcd({ keys: { "/reg/a": "1", "/reg/bad": "bad", "/reg/_hidden": "3", "/other": "4" } });
  const client = new Client({ endpoints: etcd.endpoints, transport: etcd.transport });
  const api = etcdListerWatcher<Item>({
    client,
    path: "/reg",
    decode: ({ value, modifiedIndex }) => {
      if (value === "bad") throw new Error("not an item");
      return { text: value, version: modifiedIndex };
    },
  });
  return {
    etcd,
    api,
    [Symbol.asyncDispose]: async () => {
      await client.close();
      await etcd.close();
    },
  };
}

test("etcdListerWatcher: it lists by quorum, without what cannot be decoded", async () => {
  await using at = ground();
  const { items, resourceVersion } = await at.api.list({});
  assert.deepEqual(
    items.map(({ text }) => text),
    ["1"],
  );
  assert.equal(resourceVersion, String(at.etcd.index));
  assert.equal(at.etcd.requests.at(-1)?.query["quorum"], "true");
});

test("etcdListerWatcher: a directory that does not exist is empty", async () => {
  await using at = ground();
  const client = new Client({ endpoints: at.etcd.endpoints, transport: at.etcd.transport });
  const api = etcdListerWatcher({ client, path: "/none", decode: () => 1 });
  assert.deepEqual(await api.list({}), { items: [], resourceVersion: String(at.etcd.index) });
  await client.close();
});

test("etcdListerWatcher: events after a version, each with the version of its own", async () => {
  await using at = ground();
  const { resourceVersion } = await at.api.list({});
  at.etcd.load({ "/reg/b": "5" });
  at.etcd.load({ "/reg/_hidden": "6", "/other": "7", "/reg/bad": "bad" });
  at.etcd.load({ "/reg/b": "8" });
  at.etcd.expire("/reg/b");
  const seen: string[] = [];
  for await (const event of at.api.watch({ resourceVersion, signal: patience() })) {
    if (event.type === "ERROR") assert.fail(event.status.message);
    seen.push(`${event.type} ${event.object.text}`);
    if (event.type === "DELETED") {
      assert.equal(event.object.version, at.etcd.index);
      break;
    }
  }
  assert.deepEqual(seen, ["ADDED 5", "MODIFIED 8", "DELETED 8"]);
});

test("etcdListerWatcher: after cleared history the stream ends with an ERROR of code 410", async () => {
  await using at = ground();
  at.etcd.load({ "/reg/b": "5" });
  at.etcd.clearHistory();
  const events: unknown[] = [];
  for await (const event of at.api.watch({ resourceVersion: "1", signal: patience() })) events.push(event);
  assert.deepEqual(events, [{ type: "ERROR", status: { code: 410, reason: "Gone", message: "history was cleared" } }]);
});

test("etcdListerWatcher: selectors and versions that are not an index are refused", async () => {
  await using at = ground();
  await assert.rejects(at.api.list({ labelSelector: "a=b" }), { code: "ERR_ARGUMENT" });
  assert.throws(() => at.api.watch({ resourceVersion: "1", fieldSelector: "a=b" }), { code: "ERR_ARGUMENT" });
  await assert.rejects(at.api.watch({ resourceVersion: "x" })[Symbol.asyncIterator]().next(), { code: "ERR_ARGUMENT" });
});
