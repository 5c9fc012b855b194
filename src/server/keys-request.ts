import type { At, Compare, KeysCall, Uint64, WatchCall, Write } from "../core/call.js";
import { EtcdErrorCode } from "../util/errors.js";
import { parseForm, type Form, type Semicolons } from "./form.js";
import type { HttpRequest, Malformed } from "./messages.js";

/** A keys request, parsed. */
export interface KeysRequest {
  readonly call: KeysCall | WatchCall;
  /** The key before it was cleaned. */
  readonly keyAsSent: string;
  /** For a watch: it goes on after the first event. */
  readonly stream: boolean;
  /** The response has no nodes. */
  readonly quiet: boolean;
}

/**
 * Reads a request below `/v2/keys`, in etcd's order of checks.
 *
 * @param keyAsSent the decoded path after `/v2/keys`, cleaned but for a slash at its end
 */
export function parseKeysRequest(
  request: HttpRequest,
  keyAsSent: string,
  query: string,
  semicolons: Semicolons,
): KeysRequest | Malformed {
  const { method, headers, body } = request;
  const contentType = headers["content-type"] ?? "";
  const { form, problem } = parseForm({ method, query, contentType, body }, semicolons);
  if (problem !== undefined) return { errorCode: EtcdErrorCode.invalidForm, cause: problem };
  try {
    const fields = readFields(form, method);
    const key = keyAsSent.length > 1 && keyAsSent.endsWith("/") ? keyAsSent.slice(0, -1) : keyAsSent;
    const call = callOf(method, { key: key === "" ? "/" : key }, fields);
    return { call, keyAsSent, stream: fields.stream, quiet: fields.noValueOnSuccess };
  } catch (error) {
    if (error instanceof FieldError) return { errorCode: error.errorCode, cause: error.message };
    throw error;
  }
}

interface Fields {
  readonly prevIndex: Uint64;
  readonly waitIndex: Uint64;
  readonly recursive: boolean;
  readonly sorted: boolean;
  readonly wait: boolean;
  readonly dir: boolean;
  readonly quorum: boolean;
  readonly stream: boolean;
  readonly prevValue: string | undefined;
  readonly noValueOnSuccess: boolean;
  readonly ttl: number | undefined;
  readonly prevExist: boolean | undefined;
  readonly refresh: boolean;
  readonly value: string;
}

class FieldError extends Error {
  readonly errorCode: EtcdErrorCode;

  constructor(errorCode: EtcdErrorCode, cause: string) {
    super(cause);
    this.errorCode = errorCode;
  }
}

/** In the order in which etcd reads them: the first bad one is reported. */
function readFields(form: Form, method: string): Fields {
  const indexes = { prevIndex: index(form, "prevIndex"), waitIndex: index(form, "waitIndex") };
  const flags = {
    recursive: flag(form, "recursive"),
    sorted: flag(form, "sorted"),
    wait: flag(form, "wait"),
    dir: flag(form, "dir"),
    quorum: flag(form, "quorum"),
    stream: flag(form, "stream"),
  };
  if (flags.wait && method !== "GET")
    throw new FieldError(EtcdErrorCode.invalidField, '"wait" can only be used with GET requests');
  const prevValue = form.get("prevValue")?.[0];
  if (prevValue === "") throw new FieldError(EtcdErrorCode.prevValueRequired, '"prevValue" cannot be empty');
  const noValueOnSuccess = flag(form, "noValueOnSuccess");
  const ttl = ttlOf(form);
  const prevExist = form.has("prevExist") ? flag(form, "prevExist", "invalid value for prevExist") : undefined;
  const refresh = flag(form, "refresh", "invalid value for refresh");
  const value = form.get("value")?.[0] ?? "";
  if (refresh && value !== "") throw new FieldError(EtcdErrorCode.refreshValue, "A value was provided on a refresh");
  if (refresh && ttl === undefined) throw new FieldError(EtcdErrorCode.refreshTtlRequired, "No TTL value set");
  return { ...indexes, ...flags, prevValue, noValueOnSuccess, ttl, prevExist, refresh, value };
}

/** The operation that etcd sees in a request: `prevExist=false` takes precedence over a comparison, which takes precedence over `prevExist=true`. */
function callOf(method: string, at: At, fields: Fields): KeysCall | WatchCall {
  const { recursive, dir, prevExist, refresh } = fields;
  const compare = comparison(fields);
  switch (method) {
    case "PUT": {
      const write = writeOf(at, fields);
      if (prevExist === false) return { kind: "create", ...write };
      if (compare !== undefined) return { kind: "compareAndSwap", ...write, ...compare, refresh };
      return { kind: prevExist === true ? "update" : "set", ...write, refresh };
    }
    case "POST":
      return { kind: "createInOrder", ...writeOf(at, fields) };
    case "DELETE":
      return compare === undefined
        ? { kind: "delete", ...at, recursive, dir }
        : { kind: "compareAndDelete", ...at, ...compare };
    default: {
      // a quorum read takes precedence over a watch; HEAD always reads the member's own memory
      const quorum = fields.quorum && method === "GET";
      return fields.wait && !quorum
        ? { kind: "watch", ...at, recursive, waitIndex: fields.waitIndex }
        : { kind: "get", ...at, recursive, sort: fields.sorted, quorum };
    }
  }
}

function writeOf(at: At, { value, dir, ttl, noValueOnSuccess }: Fields): Write {
  return { ...at, value, dir, noValueOnSuccess, ...(ttl !== undefined && { ttl }) };
}

function comparison({ prevValue, prevIndex }: Fields): Compare | undefined {
  if (prevValue === undefined && prevIndex === "0") return undefined;
  return { ...(prevValue !== undefined && { prevValue }), ...(prevIndex !== "0" && { prevIndex }) };
}

/** "0" if the field is absent. */
function index(form: Form, name: string): Uint64 {
  const text = form.get(name)?.[0];
  const value = text === undefined ? "0" : uint64(text);
  if (value === undefined) throw new FieldError(EtcdErrorCode.indexNaN, `invalid value for "${name}"`);
  return value;
}

/** An empty `ttl` means no TTL. */
function ttlOf(form: Form): number | undefined {
  const text = form.get("ttl")?.[0] ?? "";
  if (text === "") return undefined;
  const value = uint64(text);
  if (value === undefined) throw new FieldError(EtcdErrorCode.ttlNaN, 'invalid value for "ttl"');
  return Number(value);
}

function uint64(text: string): Uint64 | undefined {
  if (!/^\d+$/.test(text)) return undefined;
  const digits = text.replace(/^0+(?=\d)/, "");
  return digits.length > 20 || BigInt(digits) > 0xffff_ffff_ffff_ffffn ? undefined : digits;
}

const flags: Readonly<Record<string, boolean>> = Object.fromEntries([
  ...["1", "t", "T", "TRUE", "true", "True"].map((text) => [text, true] as const),
  ...["0", "f", "F", "FALSE", "false", "False"].map((text) => [text, false] as const),
]);

/** False if the field is absent. */
function flag(form: Form, name: string, problem = `invalid value for "${name}"`): boolean {
  const text = form.get(name)?.[0];
  if (text === undefined) return false;
  const value = Object.hasOwn(flags, text) ? flags[text] : undefined;
  if (value === undefined) throw new FieldError(EtcdErrorCode.invalidField, problem);
  return value;
}
