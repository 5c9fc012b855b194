import type { RequestSpec } from "../http/exchange.js";
import { keyPath } from "./paths.js";

/** Where a key lives: the path before all keys, and the key. */
export interface KeyAddress {
  readonly prefix: string;
  readonly key: string;
}

export interface ReadFields {
  readonly recursive?: boolean | undefined;
  readonly sort?: boolean | undefined;
  readonly quorum?: boolean | undefined;
}

export interface WriteFields {
  readonly prevValue?: string | undefined;
  readonly prevIndex?: number | undefined;
  readonly prevExist?: boolean | undefined;
  readonly ttl?: number | undefined;
  readonly refresh?: boolean | undefined;
  readonly dir?: boolean | undefined;
  readonly noValueOnSuccess?: boolean | undefined;
}

export interface DeleteFields {
  readonly prevValue?: string | undefined;
  readonly prevIndex?: number | undefined;
  readonly recursive?: boolean | undefined;
  readonly dir?: boolean | undefined;
}

export function getSpec(at: KeyAddress, { quorum = false, recursive = false, sort = false }: ReadFields): RequestSpec {
  return {
    method: "GET",
    path: keyPath(at.prefix, at.key),
    query: `quorum=${String(quorum)}&recursive=${String(recursive)}&sorted=${String(sort)}`,
  };
}

/** One long poll. `waitIndex` 0 waits for the next event from now on. */
export function watchSpec(at: KeyAddress, recursive: boolean, waitIndex: number, onHeaders: RequestSpec["onHeaders"]): RequestSpec {
  return {
    method: "GET",
    path: keyPath(at.prefix, at.key),
    query: `recursive=${String(recursive)}&wait=true&waitIndex=${String(waitIndex)}`,
    longPoll: true,
    onHeaders,
  };
}

/**
 * set, create, update, refresh and compare-and-swap. With `dir` etcd takes no value, and Go sends no `prevValue` either.
 * A directory can be made once only, so that making one is not repeatable, unless it must exist (a new TTL).
 */
export function setSpec(at: KeyAddress, value: string, fields: WriteFields): RequestSpec {
  const { dir = false, refresh = false, prevExist, prevIndex, ttl, noValueOnSuccess = false } = fields;
  const prevValue = dir ? undefined : fields.prevValue;
  const query = {
    ...(dir && { dir: "true" }),
    ...(noValueOnSuccess && { noValueOnSuccess: "true" }),
    ...(prevExist !== undefined && { prevExist: String(prevExist) }),
    ...(prevIndex !== undefined && { prevIndex: String(prevIndex) }),
  };
  const form = {
    ...(refresh && { refresh: "true" }),
    ...(ttl !== undefined && { ttl: wholeSeconds(ttl) }),
    ...(!dir && !refresh && { value }),
  };
  const path = keyPath(at.prefix, at.key);
  const comparison = prevValue === undefined ? {} : { prevValue };
  const fullQuery = encodeForm({ ...query, ...comparison });
  const fits = path.length + fullQuery.length < comfortableTarget;
  const oneShot = prevValue !== undefined || prevIndex !== undefined || prevExist === false || (dir && prevExist !== true);
  return {
    method: "PUT",
    path,
    query: fits ? fullQuery : encodeForm(query),
    headers: formHeaders,
    body: encodeForm(fits ? form : { ...form, ...comparison }),
    oneShot,
  };
}

export function createInOrderSpec(at: KeyAddress, value: string, ttl: number | undefined): RequestSpec {
  const form = { ...(ttl !== undefined && { ttl: wholeSeconds(ttl) }), value };
  return { method: "POST", path: keyPath(at.prefix, at.key), headers: formHeaders, body: encodeForm(form), oneShot: true };
}

export function deleteSpec(at: KeyAddress, { dir = false, prevIndex, prevValue, recursive = false }: DeleteFields): RequestSpec {
  const query = {
    ...(dir && { dir: "true" }),
    ...(prevIndex !== undefined && { prevIndex: String(prevIndex) }),
    ...(prevValue !== undefined && { prevValue }),
    ...(recursive && { recursive: "true" }),
  };
  return { method: "DELETE", path: keyPath(at.prefix, at.key), query: encodeForm(query), headers: formHeaders, oneShot: true };
}

/** Without this type etcd ignores the body, and stores "" with success. */
const formHeaders = { "content-type": "application/x-www-form-urlencoded" } as const;

/** etcd resets plaintext connections whose request line exceeds 4096 bytes; what is above this moves to the form, which it reads too. */
const comfortableTarget = 3_900;

/** Up, so that no key dies before its time: `ttl=0` would expire it at once. */
function wholeSeconds(ttl: number): string {
  return String(Math.ceil(ttl));
}

/** Names in alphabetical order, as Go sends them. */
function encodeForm(fields: Readonly<Record<string, string>>): string {
  return Object.entries(fields)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join("&");
}
