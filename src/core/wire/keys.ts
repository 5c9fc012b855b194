import type { RequestSpec } from "../../http/exchange.js";
import type { CallOptions, DeleteOptions, GetOptions, SetOptions } from "../keys-options.js";
import { createInOrderCall, deleteCall, getCall, watchCall, writeCall } from "./calls.js";
import { keyPath } from "./paths.js";

/** Where a key lives: the path before all keys, and the key. */
export interface KeyAddress {
  readonly prefix: string;
  readonly key: string;
  /** The keys of responses are relative to this key. Absent or "": they are etcd's own. */
  readonly namespace?: string;
}

/** The options that go into the request. */
export type ReadFields = Omit<GetOptions, keyof CallOptions>;
export type WriteFields = Omit<SetOptions, keyof CallOptions>;
export type DeleteFields = Omit<DeleteOptions, keyof CallOptions>;

export function getSpec(at: KeyAddress, fields: ReadFields): RequestSpec {
  const { quorum = false, recursive = false, sort = false } = fields;
  return {
    method: "GET",
    path: keyPath(at.prefix, at.key),
    query: readQuery(quorum, recursive, sort),
    call: getCall(at, fields),
  };
}

/** One of eight texts: a text that is put together for each read would cost as much as the rest of its request (measured). */
function readQuery(quorum: boolean, recursive: boolean, sort: boolean): string {
  return readQueries[(quorum ? 4 : 0) + (recursive ? 2 : 0) + (sort ? 1 : 0)] ?? "";
}

const readQueries = [false, true].flatMap((quorum) =>
  [false, true].flatMap((recursive) =>
    [false, true].map((sorted) => `quorum=${String(quorum)}&recursive=${String(recursive)}&sorted=${String(sorted)}`),
  ),
);

/**
 * One long poll. `waitIndex` 0 waits for the next event from now on, which is a different moment for every caller. From an
 * index on, all callers wait for the same event, so they share one request.
 */
export function watchSpec(
  at: KeyAddress,
  recursive: boolean,
  waitIndex: number,
  onHeaders: RequestSpec["onHeaders"],
): RequestSpec {
  const path = keyPath(at.prefix, at.key);
  // one text of two parts: of more, each poll that waits would keep the texts in between
  const query =
    (recursive ? "recursive=true&wait=true&waitIndex=" : "recursive=false&wait=true&waitIndex=") + String(waitIndex);
  const call = watchCall(at, recursive, waitIndex);
  return { method: "GET", path, query, longPoll: true, shared: waitIndex > 0, onHeaders, call };
}

/**
 * set, create, update, refresh and compare-and-swap. With `dir` etcd takes no value, and Go sends no `prevValue` either.
 * A directory can be made once only, so that making one is not repeatable, unless it must exist (a new TTL).
 */
export function setSpec(at: KeyAddress, value: string, fields: WriteFields): RequestSpec {
  const { dir = false, refresh = false, prevExist, prevIndex, ttl } = fields;
  const prevValue = dir ? undefined : fields.prevValue;
  const seconds = wholeSeconds(ttl);
  const path = keyPath(at.prefix, at.key);
  const fullQuery = writeQuery(fields, dir, prevValue);
  const fits = path.length + fullQuery.length < comfortableTarget;
  return {
    method: "PUT",
    path,
    query: fits ? fullQuery : writeQuery(fields, dir, undefined),
    headers: formHeaders,
    body: encodeForm({
      prevValue: fits ? undefined : prevValue,
      refresh: refresh || undefined,
      ttl: seconds,
      value: dir || refresh ? undefined : value,
    }),
    oneShot: prevValue !== undefined || prevIndex !== undefined || prevExist === false || (dir && prevExist !== true),
    resend: fields.resend === true,
    comparesValue: prevValue !== undefined,
    call: writeCall(at, value, fields, prevValue, seconds),
  };
}

function writeQuery(
  { prevExist, prevIndex, noValueOnSuccess = false }: WriteFields,
  dir: boolean,
  prevValue: string | undefined,
): string {
  return encodeForm({
    dir: dir || undefined,
    noValueOnSuccess: noValueOnSuccess || undefined,
    prevExist,
    prevIndex,
    prevValue,
  });
}

export function createInOrderSpec(
  at: KeyAddress,
  value: string,
  { dir = false, ttl }: Pick<WriteFields, "dir" | "ttl">,
): RequestSpec {
  const seconds = wholeSeconds(ttl);
  const body = encodeForm({ ttl: seconds, value: dir ? undefined : value });
  const path = keyPath(at.prefix, at.key);
  const call = createInOrderCall(at, value, { dir, ttl: seconds });
  const spec: RequestSpec = { method: "POST", path, headers: formHeaders, body, oneShot: true, call };
  return dir ? { ...spec, query: "dir=true" } : spec;
}

export function deleteSpec(at: KeyAddress, fields: DeleteFields): RequestSpec {
  const { dir = false, prevIndex, prevValue, recursive = false } = fields;
  const query = encodeForm({ dir: dir || undefined, prevIndex, prevValue, recursive: recursive || undefined });
  return {
    method: "DELETE",
    path: keyPath(at.prefix, at.key),
    query,
    headers: formHeaders,
    oneShot: true,
    comparesValue: prevValue !== undefined,
    call: deleteCall(at, fields),
  };
}

/** Without this type etcd ignores the body, and stores "" with success. */
const formHeaders = { "content-type": "application/x-www-form-urlencoded" } as const;

/**
 * etcd resets plaintext connections whose request line exceeds 4096 bytes; from this length on `prevValue` moves to the
 * form, which etcd reads, too.
 */
const comfortableTarget = 3_900;

/** Rounds up, so that no key expires early: `ttl=0` would expire it at once. */
function wholeSeconds(ttl: number | undefined): number | undefined {
  return ttl === undefined ? undefined : Math.ceil(ttl);
}

/** Keeps the order given: callers list fields alphabetically, as Go sends them. Undefined fields are left out. */
function encodeForm(fields: Readonly<Record<string, string | number | boolean | undefined>>): string {
  let form = "";
  for (const name in fields) {
    const value = fields[name];
    if (value !== undefined) form += `${form === "" ? "" : "&"}${name}=${encodeURIComponent(value)}`;
  }
  return form;
}
