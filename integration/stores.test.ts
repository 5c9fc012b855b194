// The store port behind the v2 API: all implementations give the same results.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startCluster, type Cluster } from "./test-kit/etcd.js";
import { find } from "../scripts/servers/programs.mjs";
import type { KeysCall } from "../src/core/call.js";
import { Client } from "../src/core/index.js";
import type { AnswerNode, Done, KeysStore, Refused } from "../src/core/keys-store.js";
import { gotExchange } from "../src/http/got/got-exchange.js";
import { clientStore } from "../src/server/index.js";
import { startFakeEtcd } from "../src/testing/index.js";
import { patience } from "../src/test-kit/waiting.js";
import { v3Protocol } from "../src/v3/index.js";
import { resolveV3Options } from "../src/v3/options.js";
import { newSharedState, V3Store } from "../src/v3/store.js";

interface Ground {
  readonly store: KeysStore;
  readonly close: () => Promise<void>;
}

const grounds: Readonly<Record<string, () => Promise<Ground>>> = {
  "the fake's memory": async () => {
    const fake = await startFakeEtcd();
    const client = new Client({ endpoints: fake.endpoints });
    return { store: clientStore(client), close: () => closeAll(client, fake) };
  },
  "the v3 store": async () => {
    const cluster = await start(false);
    const exchange = gotExchange({});
    const base = { url: cluster.endpoints[0] ?? "", query: "" };
    const shared = newSharedState();
    const store = new V3Store(exchange, base, resolveV3Options({}), shared);
    return {
      store,
      close: async () => {
        await store.close();
        await exchange.close?.();
        await cluster.stop();
      },
    };
  },
  "a client over v2": async () => {
    const cluster = await start(true);
    const client = new Client({ endpoints: cluster.endpoints });
    return { store: clientStore(client), close: () => closeAll(client, { close: () => cluster.stop() }) };
  },
  "a client over v3": async () => {
    const cluster = await start(false);
    const client = new Client({ endpoints: cluster.endpoints, protocol: v3Protocol() });
    return { store: clientStore(client), close: () => closeAll(client, { close: () => cluster.stop() }) };
  },
};

function start(enableV2: boolean): Promise<Cluster> {
  return startCluster({ bin: find("etcd"), enableV2, heartbeatMs: 20, electionMs: 200 });
}

async function closeAll(...all: readonly { close(): Promise<void> }[]): Promise<void> {
  for (const each of all) await each.close();
}

const plain = { dir: false, noValueOnSuccess: false };
const set = (key: string, value: string): KeysCall => ({ kind: "set", key, value, refresh: false, ...plain });
const create = (key: string, value: string): KeysCall => ({ kind: "create", key, value, ...plain });
const directory = (key: string): KeysCall => ({ kind: "create", key, value: "", ...plain, dir: true });
const get = (key: string, recursive = false): KeysCall => ({ kind: "get", key, recursive, sort: true, quorum: true });
const swap = (key: string, value: string, prevValue: string): KeysCall => {
  return { kind: "compareAndSwap", key, value, prevValue, refresh: false, ...plain };
};
const remove = (key: string, recursive = false, dir = false): KeysCall => ({ kind: "delete", key, recursive, dir });

/** Calls one after the other, each with its result: `action node (before)`, or `code cause`. */
const steps: readonly (readonly [call: KeysCall, result: string])[] = [
  [get("/a"), "100 /a"],
  [set("/a/k", "1"), "set /a/k=1"],
  [set("/a/k", "2"), "set /a/k=2 (/a/k=1)"],
  [create("/a/k", "3"), "105 /a/k"],
  [create("/a/l", "l"), "create /a/l=l"],
  [{ kind: "update", key: "/a/k", value: "3", refresh: false, ...plain }, "update /a/k=3 (/a/k=2)"],
  [{ kind: "update", key: "/a/none", value: "3", refresh: false, ...plain }, "100 /a/none"],
  [swap("/a/k", "4", "3"), "compareAndSwap /a/k=4 (/a/k=3)"],
  [swap("/a/k", "5", "wrong"), "101 [wrong != 4]"],
  [set("/a", "file"), "102 /a"],
  [set("/a/k/x", "below a file"), "104 /a/k"],
  [directory("/a/d"), "create /a/d/"],
  [directory("/a/d"), "105 /a/d"],
  [create("/a/_hidden", "h"), "create /a/_hidden=h"],
  [create("/a/d/deep/é😀", "\0 x"), "create /a/d/deep/é😀=\0 x"],
  [get("/a"), "get /a/[/a/d/ /a/k=4 /a/l=l]"],
  [get("/a", true), "get /a/[/a/d/[/a/d/deep/[/a/d/deep/é😀=\0 x]] /a/k=4 /a/l=l]"],
  [get("/a/_hidden"), "get /a/_hidden=h"],
  [remove("/a/d"), "102 /a/d"],
  [remove("/a/d", false, true), "108 /a/d"],
  [{ kind: "compareAndDelete", key: "/a/k", prevValue: "x" }, "101 [x != 4]"],
  [{ kind: "compareAndDelete", key: "/a/k", prevValue: "4" }, "compareAndDelete /a/k (/a/k=4)"],
  [remove("/a/k"), "100 /a/k"],
  [remove("/a/l"), "delete /a/l (/a/l=l)"],
  [remove("/a", true), "delete /a/ (/a/)"],
  [get("/a"), "100 /a"],
  [set("/", "x"), "107 /"],
  [remove("/", true), "107 /"],
  [{ kind: "compareAndDelete", key: "/", prevValue: "x" }, "102 "],
  [{ kind: "createInOrder", key: "/", value: "first", ...plain }, "create /(in order)=first"],
  [get("/"), "get //[/(in order)=first]"],
  [get("/", true), "get //[/(in order)=first]"],
];

for (const [name, open] of Object.entries(grounds)) {
  void describe(`stores: ${name}`, () => {
    let ground: Ground | undefined;
    before(async () => {
      ground = await open();
    });
    after(() => ground?.close());
    const storeNow = (): KeysStore => ground?.store ?? assert.fail("the store exists only while tests run");

    test("stores: the same calls have the same results (V125)", async () => {
      const store = storeNow();
      let last = 0;
      for (const [call, expected] of steps) {
        const done = await store.execute(call, { signal: patience() });
        assert.equal(textOf(done), expected, JSON.stringify(call));
        assert.ok(done.index >= last, "the index never goes back");
        assert.match(done.clusterId, /^[\da-f]+$/);
        last = done.index;
      }
    });

    test("stores: a watch is set up before its events, delivers past and new ones, and ends with its signal (V125)", async () => {
      const store = storeNow();
      const { index } = await store.execute(set("/w/a", "1"), {});
      await store.execute(set("/w/b", "2"), {});
      const past = await store.watch({ kind: "watch", key: "/w", recursive: true, waitIndex: String(index) }, {});
      assert.ok(!("errorCode" in past));
      assert.equal(await eventOf(past.next(patience())), "set /w/a=1");
      past.close();
      const now = await store.watch({ kind: "watch", key: "/w", recursive: true, waitIndex: "0" }, {});
      assert.ok(!("errorCode" in now));
      const next = now.next(patience());
      await store.execute(set("/w/c", "3"), {});
      assert.equal(await eventOf(next), "set /w/c=3");
      now.close();
      const reason = new Error("enough");
      const abort = new AbortController();
      const waiting = await store.watch({ kind: "watch", key: "/w", recursive: true, waitIndex: "0" }, {});
      assert.ok(!("errorCode" in waiting));
      const never = waiting.next(abort.signal);
      abort.abort(reason);
      await assert.rejects(never, (error) => error === reason);
      waiting.close();
    });
  });
}

async function eventOf(next: Promise<readonly Done[] | Refused | undefined>): Promise<string> {
  const events = await next;
  assert.ok(Array.isArray(events) && events.length === 1);
  return textOf((events as readonly Done[])[0] ?? assert.fail());
}

function textOf(done: Done | Refused): string {
  if ("errorCode" in done) return `${String(done.errorCode)} ${done.cause ?? ""}`;
  const { action, node = {}, prevNode } = done;
  return `${action} ${nodeText(node)}${prevNode === undefined ? "" : ` (${nodeText(prevNode)})`}`;
}

function nodeText({ key = "/", value, dir, nodes }: AnswerNode): string {
  const children = nodes === undefined || nodes.length === 0 ? "" : `[${nodes.map(nodeText).join(" ")}]`;
  return `${key.replace(/\d{20}/, "(in order)")}${dir ? "/" : ""}${value === undefined ? "" : `=${value}`}${children}`;
}
