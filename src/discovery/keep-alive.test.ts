import assert from "node:assert/strict";
import test from "node:test";
import { ClusterError, KeysAPI, UsageError, type RawResponse, type RequestSpec, type Sender } from "../core/index.js";
import { KeptKey, type KeepAliveOptions } from "./keep-alive.js";

/** etcd's one key, in memory: what was sent, in order, and answers that can be held back, or fail. */
class OneKey implements Sender {
  readonly log: string[] = [];
  value: string | undefined;
  failing: Error | undefined;
  /** What a refresh gives back; absent: the value. */
  refreshed: string | undefined;
  mostAtOnce = 0;
  #atOnce = 0;
  #gate: Promise<void> | undefined;
  readonly #waiting = new Set<() => void>();

  async send(spec: RequestSpec, signal?: AbortSignal): Promise<RawResponse> {
    signal?.throwIfAborted();
    const form = new URLSearchParams(spec.body ?? "");
    const kind =
      spec.method === "DELETE"
        ? "delete"
        : form.has("refresh")
          ? `refresh ${String(spec.query)}`
          : `set ${form.get("value") ?? ""}`;
    this.log.push(kind);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce);
    for (const wake of this.#waiting) wake();
    try {
      await this.#gate;
      if (this.failing !== undefined) throw this.failing;
      return this.#answer(kind, form);
    } finally {
      this.#atOnce--;
    }
  }

  /** Holds back answers until the function it gives is called. */
  hold(): () => void {
    let open = (): void => undefined;
    this.#gate = new Promise((resolve) => {
      open = () => {
        this.#gate = undefined;
        resolve();
      };
    });
    return open;
  }

  /** Resolves once that many requests have come. */
  async came(count: number): Promise<void> {
    while (this.log.length < count) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
  }

  #answer(kind: string, form: URLSearchParams): RawResponse {
    const headers = { "content-type": "application/json", "x-etcd-index": "7" };
    const node = { key: "/k", modifiedIndex: 7, createdIndex: 7 };
    if (kind.startsWith("set")) this.value = form.get("value") ?? "";
    else if (this.value === undefined)
      return {
        status: 404,
        headers,
        body: JSON.stringify({ errorCode: 100, message: "Key not found", cause: "/k", index: 7 }),
      };
    else if (kind === "delete") this.value = undefined;
    const value = kind.startsWith("refresh") ? (this.refreshed ?? this.value) : this.value;
    return {
      status: 200,
      headers,
      body: JSON.stringify({ action: "set", node: { ...node, ...(value !== undefined && { value }) } }),
    };
  }
}

function keep(server: OneKey, options: Partial<KeepAliveOptions> = {}): KeptKey {
  return new KeptKey(new KeysAPI(server), "/k", "v1", { ttl: 5, beatMs: 5, retryMs: 5, ...options });
}

test("it sets, refreshes what is there, and deletes at the end", async () => {
  const server = new OneKey();
  const kept = keep(server);
  await kept.written;
  await server.came(4);
  await Promise.all([kept.close(), kept.close()]);
  assert.equal(await kept.closed, undefined);
  const { length } = server.log;
  assert.deepEqual([server.log[0], ...new Set(server.log.slice(1))], ["set v1", "refresh prevExist=true", "delete"]);
  await kept.close();
  assert.equal(server.log.length, length);
  await assert.rejects(kept.setValue("v2"), UsageError);
});

test("a key that is gone is set again, one with another value too, and from then on always", async () => {
  const server = new OneKey();
  await using kept = keep(server);
  await kept.written;
  server.value = undefined;
  await server.came(5);
  assert.deepEqual(server.log.filter((each) => each === "set v1").length, 2);
  server.refreshed = "";
  await server.came(server.log.length + 4);
  assert.deepEqual(server.log.slice(-2), ["set v1", "set v1"]);
});

test(
  "a new value is written at once, after the write that is under way, and never beside another",
  { timeout: 30_000 },
  async () => {
    const server = new OneKey();
    await using kept = keep(server, { beatMs: 60_000 });
    await kept.written;
    await kept.setValue("v2");
    const open = server.hold();
    const third = kept.setValue("v3");
    await server.came(3);
    const both = Promise.all([third, kept.setValue("v4"), kept.setValue("v5")]);
    open();
    await both;
    assert.deepEqual(server.log, ["set v1", "set v2", "set v3", "set v5"]);
    assert.equal(server.mostAtOnce, 1);
  },
);

test(
  "a new value is written at once, at whatever moment after the write before it comes",
  { timeout: 30_000 },
  async () => {
    for (let moments = 0; moments < 20; moments++) {
      const server = new OneKey();
      await using kept = keep(server, { beatMs: 60_000 });
      await kept.written;
      for (let i = 0; i < moments; i++) await Promise.resolve();
      await kept.setValue("v2");
      assert.deepEqual(server.log, ["set v1", "set v2"]);
    }
  },
);

test("failures are told and tried again, and handlers that throw change nothing", async () => {
  const server = new OneKey();
  const told: string[] = [];
  const options: Partial<KeepAliveOptions> = {
    onState(state) {
      told.push(state);
      throw new Error("handler");
    },
    onError() {
      told.push("error");
      throw new Error("handler");
    },
  };
  server.failing = new ClusterError("ERR_CLUSTER_UNAVAILABLE");
  await using kept = keep(server, options);
  await server.came(2);
  server.failing = undefined;
  await kept.written;
  server.failing = new ClusterError("ERR_CLUSTER_UNAVAILABLE");
  await server.came(server.log.length + 3);
  server.failing = undefined;
  await server.came(server.log.length + 3);
  assert.deepEqual(
    told.filter((each, i) => each !== told[i - 1]),
    ["error", "registered", "error", "degraded", "error", "registered"],
  );
});

test("a set that is under way is waited for before the delete is sent", async () => {
  const server = new OneKey();
  const kept = keep(server, { mode: "set", beatMs: 60_000 });
  await kept.written;
  const open = server.hold();
  const setting = kept.setValue("v2");
  await server.came(2);
  const closing = kept.close();
  await new Promise<void>((resolve) => {
    setTimeout(resolve, 20);
  });
  assert.deepEqual(server.log, ["set v1", "set v2"]);
  open();
  await Promise.all([setting, closing]);
  assert.deepEqual(server.log, ["set v1", "set v2", "delete"]);
});

test("an abort before the start sends nothing; one before the first write rejects with its reason", async () => {
  const reason = new Error("enough");
  const server = new OneKey();
  const never = keep(server, { signal: AbortSignal.abort(reason) });
  await assert.rejects(never.written, reason);
  assert.equal(await never.closed, undefined);
  assert.equal(server.log.join(), "");
  const abort = new AbortController();
  server.failing = new ClusterError("ERR_CLUSTER_UNAVAILABLE");
  const kept = keep(server, { signal: abort.signal });
  await server.came(1);
  abort.abort(reason);
  await assert.rejects(kept.written, reason);
  assert.ok((await kept.closed) instanceof ClusterError, "the delete failed");
  server.failing = undefined;
  await kept.close();
  assert.equal(server.log.at(-1), "delete");
});

test("a delete that fails is told, and may be tried again", async () => {
  const server = new OneKey();
  const kept = keep(server, { beatMs: 60_000 });
  await kept.written;
  server.failing = new ClusterError("ERR_CLUSTER_UNAVAILABLE");
  await assert.rejects(kept.close(), ClusterError);
  server.failing = undefined;
  await kept.close();
  assert.equal(server.value, undefined);
});

test("a closed client ends it with its error", async () => {
  const server = new OneKey();
  const kept = keep(server);
  await kept.written;
  const closed = new UsageError("ERR_CLOSED", "the client is closed");
  server.failing = closed;
  assert.equal(await kept.closed, closed);
});

test("bad arguments are refused", () => {
  const server = new OneKey();
  const bad: readonly unknown[] = [
    { ttl: 0 },
    { beatMs: 0 },
    { retryMs: -1 },
    { mode: "both" },
    { onState: 1 },
    { onError: 1 },
    { signal: 1 },
    { beat: 1 },
  ];
  for (const options of bad) assert.throws(() => keep(server, options as Partial<KeepAliveOptions>), UsageError);
  assert.throws(() => new KeptKey(new KeysAPI(server), "/a/../b", "v", { ttl: 5 }), UsageError);
  assert.deepEqual(server.log, []);
});
