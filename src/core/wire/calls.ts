import type { CompareAndDeleteCall, DeleteCall, GetCall, KeysCall, WatchCall } from "../call.js";
import type { DeleteFields, KeyAddress, ReadFields, WriteFields } from "./keys.js";
import { namespaceOf, segmentsOf } from "./paths.js";

/** The call that a read asks for, if it has one. */
export function getCall(
  at: KeyAddress,
  { quorum = false, recursive = false, sort = false }: ReadFields,
): GetCall | undefined {
  const key = keyOf(at);
  return key === undefined ? undefined : { kind: "get", key, recursive, sort, quorum };
}

/** The call that a long poll asks for, if it has one. */
export function watchCall(at: KeyAddress, recursive: boolean, waitIndex: number): WatchCall | undefined {
  const key = keyOf(at);
  return key === undefined ? undefined : { kind: "watch", key, recursive, waitIndex: String(waitIndex) };
}

/**
 * The call that a PUT asks for, if it has one: `prevExist=false` goes before a comparison, that before `prevExist=true`.
 * Written out, since each write makes one: spreads cost as much as everything else that a write does (measured).
 *
 * @param prevValue in place of that of the fields, as `ttl` is: what is sent
 */
export function writeCall(
  at: KeyAddress,
  sent: string,
  fields: WriteFields,
  prevValue: string | undefined,
  ttl: number | undefined,
): KeysCall | undefined {
  const key = keyOf(at);
  if (key === undefined) return undefined;
  const { dir = false, refresh = false, prevExist, prevIndex, noValueOnSuccess = false } = fields;
  const value = dir || refresh ? "" : sent;
  if (prevExist === false) return withTtl({ kind: "create", key, value, dir, noValueOnSuccess }, ttl);
  if (prevValue === undefined && prevIndex === undefined) {
    return withTtl({ kind: prevExist === true ? "update" : "set", key, value, dir, noValueOnSuccess, refresh }, ttl);
  }
  const write = { kind: "compareAndSwap", key, value, dir, noValueOnSuccess, refresh } as const;
  return withTtl({ ...write, ...compare(prevValue, prevIndex) }, ttl);
}

/** A call without TTL does not have the field. */
function withTtl<T extends KeysCall>(call: T, ttl: number | undefined): T {
  return ttl === undefined ? call : Object.assign(call, { ttl });
}

/** The call that a POST asks for, if it has one. */
export function createInOrderCall(
  at: KeyAddress,
  sent: string,
  { dir = false, ttl }: WriteFields,
): KeysCall | undefined {
  const key = keyOf(at);
  if (key === undefined) return undefined;
  const write = { key, value: dir ? "" : sent, dir, noValueOnSuccess: false };
  return { kind: "createInOrder", ...write, ...(ttl !== undefined && { ttl }) };
}

/** The call that a DELETE asks for, if it has one. */
export function deleteCall(at: KeyAddress, fields: DeleteFields): DeleteCall | CompareAndDeleteCall | undefined {
  const key = keyOf(at);
  if (key === undefined) return undefined;
  const { dir = false, recursive = false, prevIndex, prevValue } = fields;
  if (prevValue === undefined && prevIndex === undefined) return { kind: "delete", key, recursive, dir };
  return { kind: "compareAndDelete", key, ...compare(prevValue, prevIndex) };
}

function compare(
  prevValue: string | undefined,
  prevIndex: number | undefined,
): { readonly prevValue?: string; readonly prevIndex?: string } {
  return {
    ...(prevValue !== undefined && { prevValue }),
    ...(prevIndex !== undefined && { prevIndex: String(prevIndex) }),
  };
}

/** The key as a call has it: cleaned. Undefined under a prefix that is not below "/v2/keys", which only v2's own paths know. */
function keyOf({ prefix, key }: KeyAddress): string | undefined {
  if (prefix === "/v2/keys" && isClean(key)) return key;
  const [v2, keys] = segmentsOf(prefix);
  if (v2 !== "v2" || keys !== "keys") return undefined;
  return (
    namespaceOf(prefix) +
      segmentsOf(key)
        .map((segment) => `/${segment}`)
        .join("") || "/"
  );
}

/** Whether a key has one slash before each segment. Nearly every key does. No regular expression: this is asked for each request. */
function isClean(key: string): boolean {
  return key.startsWith("/") && !key.endsWith("/") && !key.includes("//");
}
