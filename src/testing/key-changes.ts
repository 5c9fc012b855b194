import type { KeysCall } from "../core/call.js";
import { pathOf } from "./key-node.js";
import type { Store, StoreResult, StoreWrite } from "./store.js";

/**
 * What a call does to a store.
 *
 * @param nowMs the time of the member that takes it: its TTL counts from there
 */
export function changeOf(call: KeysCall, nowMs: number): (store: Store) => StoreResult {
  const path = pathOf(call.key);
  switch (call.kind) {
    case "get":
      return (store) => store.get(path, { recursive: call.recursive, sorted: call.sort });
    case "delete":
      return (store) => store.delete(path, call);
    case "compareAndDelete":
      return (store) => store.compareAndDelete(path, call);
    case "compareAndSwap": {
      const write = writeOf(call, nowMs);
      return (store) => store.compareAndSwap(path, call, write);
    }
    case "set":
    case "update":
    case "create":
    case "createInOrder": {
      const write = writeOf(call, nowMs);
      const { kind } = call;
      return (store) => store[kind](path, write);
    }
  }
}

type WriteCall = Exclude<KeysCall, { readonly kind: "get" | "delete" | "compareAndDelete" }>;

function writeOf(call: WriteCall, nowMs: number): StoreWrite {
  return {
    dir: call.dir,
    value: call.value,
    expiresMs: call.ttl === undefined ? undefined : expiryOf(call.ttl, nowMs),
    refresh: "refresh" in call && call.refresh,
  };
}

/** etcd counts nanoseconds in 63 bits and a sign, and lets them overflow. */
function expiryOf(ttl: number, nowMs: number): number {
  const longMs = nowMs + ttl * 1000;
  if (longMs * 1e6 < 2 ** 62) return longMs;
  return Number(BigInt.asIntN(64, BigInt(nowMs) * 1_000_000n + BigInt(ttl) * 1_000_000_000n) / 1_000_000n);
}
