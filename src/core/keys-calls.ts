import type { RawResponse, RequestSpec, Sender } from "../http/exchange.js";
import { checked } from "./checked-request.js";
import { decodeResponse, decodeSummary } from "./decode-response.js";
import { requireKeyTtl } from "./key-ttl.js";
import { requireCall, requireConditions, requireWrite } from "./keys-checks.js";
import {
  requireKey,
  type CallOptions,
  type CreateInOrderOptions,
  type CreateOptions,
  type DeleteOptions,
  type GetOptions,
  type RefreshOptions,
  type SetOptions,
  type UpdateOptions,
} from "./keys-options.js";
import type { KeysResponse, KeysSummary } from "./types.js";
import { createInOrderSpec, deleteSpec, getSpec, setSpec, type KeyAddress } from "./wire/keys.js";

/** What a `KeysAPI` sends its calls to. */
export interface KeysTarget {
  readonly sender: Sender;
  /** The path before the keys of the namespace. */
  readonly prefix: string;
  /** The keys of responses are relative to this one; "" for all keys of etcd. */
  readonly namespace: string;
}

/** What follows the options of a call: nothing. */
type Extra = readonly unknown[];

// The calls of `KeysAPI`, for arguments that are not checked yet. No async functions: see `FailoverCall`.

/** See `KeysAPI.get`. */
export function get(target: KeysTarget, key: string, options: GetOptions, extra: Extra): Promise<KeysResponse> {
  return call(target, options, decodeResponse, () => {
    requireCall("get", options, extra);
    const { recursive, sort, quorum = target.sender.quorumReads } = options;
    return getSpec(at(target, key), { recursive, sort, quorum });
  });
}

/** See `KeysAPI.set`. */
export function set(
  target: KeysTarget,
  key: string,
  value: string,
  options: SetOptions,
  extra: Extra,
): Promise<KeysResponse | KeysSummary> {
  const decode: Decode<KeysResponse | KeysSummary> = (raw, spec, namespace, signal) =>
    options.noValueOnSuccess === true
      ? decodeSummary(raw, spec, namespace)
      : decodeResponse(raw, spec, namespace, signal);
  return call(target, options, decode, () => {
    requireCall("set", options, extra);
    return writeSpec(target, key, value, options);
  });
}

/** See `KeysAPI.create`. */
export function create(
  target: KeysTarget,
  key: string,
  value: string,
  options: CreateOptions,
  extra: Extra,
): Promise<KeysResponse> {
  return call(target, options, decodeResponse, () => {
    requireCall("create", options, extra);
    return writeSpec(target, key, value, { ...options, prevExist: false });
  });
}

/** See `KeysAPI.update`. */
export function update(
  target: KeysTarget,
  key: string,
  value: string,
  options: UpdateOptions,
  extra: Extra,
): Promise<KeysResponse> {
  return call(target, options, decodeResponse, () => {
    requireCall("update", options, extra);
    return writeSpec(target, key, value, { ...options, prevExist: true });
  });
}

/** See `KeysAPI.refresh`. */
export function refresh(
  target: KeysTarget,
  key: string,
  ttl: number,
  options: RefreshOptions,
  extra: Extra,
): Promise<KeysResponse> {
  return call(target, options, decodeResponse, () => {
    requireCall("refresh", options, extra);
    requireKeyTtl("ttl", ttl);
    return writeSpec(target, key, "", { ...options, ttl, refresh: true, prevExist: true });
  });
}

/** See `KeysAPI.createInOrder`. */
export function createInOrder(
  target: KeysTarget,
  dir: string,
  value: string,
  options: CreateInOrderOptions,
  extra: Extra,
): Promise<KeysResponse> {
  return call(target, options, decodeResponse, () => {
    requireCall("createInOrder", options, extra);
    requireWrite(value, { dir: options.dir, prevExist: false });
    return createInOrderSpec(at(target, dir), value, options);
  });
}

/** See `KeysAPI.delete`. */
export function remove(target: KeysTarget, key: string, options: DeleteOptions, extra: Extra): Promise<KeysResponse> {
  return call(target, options, decodeResponse, () => {
    requireCall("delete", options, extra);
    requireConditions(options);
    return deleteSpec(at(target, key), options);
  });
}

function writeSpec(target: KeysTarget, key: string, value: string, options: SetOptions): RequestSpec {
  const address = at(target, key);
  requireWrite(value, options);
  return setSpec(address, value, options);
}

function at({ prefix, namespace }: KeysTarget, key: string): KeyAddress {
  requireKey("key", key);
  return { prefix, key, namespace };
}

type Decode<T> = (
  raw: RawResponse,
  spec: RequestSpec,
  namespace: string,
  signal: AbortSignal | undefined,
) => T | Promise<T>;

/** Sends the request that `request` makes, and decodes the response. What anything of it throws, it rejects with. */
function call<T>(
  { sender, namespace }: KeysTarget,
  options: CallOptions,
  decode: Decode<T>,
  request: () => RequestSpec,
): Promise<T> {
  try {
    const made = request();
    const { retryForMs, signal } = options;
    const spec = retryForMs === undefined ? made : { ...made, retryForMs };
    // a sender of the user's may return its response itself, which need not be a promise
    return Promise.resolve(sender.send(checked(spec), signal)).then((raw) => decode(raw, spec, namespace, signal));
  } catch (error) {
    return Promise.reject(error);
  }
}
