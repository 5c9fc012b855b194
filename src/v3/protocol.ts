import type { AdminCall, Call, KeysCall, WatchCall } from "../core/call.js";
import type { Credentials, Done, Refused } from "../core/keys-store.js";
import type { Exchange, Protocol, RawResponse, RequestSpec } from "../http/exchange.js";
import { UsageError } from "../util/errors.js";
import {
  adminResponse,
  doneStatus,
  eventLine,
  placeHeaders,
  refusedResponse,
  type HttpResponse,
} from "../server/responses.js";
import { abortable, throwIfAborted } from "../util/signals.js";
import { baseOf } from "./gateway.js";
import { resolveV3Options, type V3Options } from "./options.js";
import { newSharedState, V3Store, type V3Context } from "./store.js";

/**
 * Lets a client of the v2 API work on etcd's v3 store, by the JSON gateway of etcd 3.4 and later. Everything that
 * is built on the client keeps working. The result is for one client: it holds tokens and streams.
 *
 * v3 is never chosen by itself: v2 and v3 are two stores in one server.
 *
 * @example
 * const client = new Client({ endpoints, protocol: v3Protocol() });
 *
 * @throws {UsageError} `ERR_ARGUMENT` for a bad option
 */
export function v3Protocol(options?: V3Options): Protocol {
  const resolved = resolveV3Options(options);
  return (exchange) => {
    const stores = new Map<string, V3Store>();
    const shared = newSharedState();
    let last: { readonly url: string; readonly store: V3Store } | undefined;
    const storeOf = (url: URL, spec: RequestSpec): V3Store => {
      const { path, query = "" } = spec;
      // nearly always: the endpoint of the call before
      if (last !== undefined && url.href === `${last.url}${path}${query === "" ? "" : "?"}${query}`) return last.store;
      const base = baseOf(url, spec);
      const name = `${base.url}?${base.query}`;
      let store = stores.get(name);
      if (store === undefined) {
        store = new V3Store(exchange, base, resolved, shared);
        stores.set(name, store);
      }
      if (base.query === "") last = { url: base.url, store };
      return store;
    };
    const speak: Exchange = (url, spec, signal) => {
      throwIfAborted(signal);
      const { call } = spec;
      if (call === undefined || call.kind === "version" || call.kind === "health")
        return passOn(exchange, url, spec, signal);
      const context = { credentials: credentialsOf(spec), signal, limits: spec.limits };
      const store = storeOf(url, spec);
      if (!isKeysCall(call))
        return abortable(
          call.kind === "watch" ? poll(store, call, context, spec) : respond(store, call, context),
          signal,
        );
      const responded = store.execute(call, context).then((done) => responseTo(call, done));
      // all that a call waits for ends with the signal, but for its turn among calls for keys in order
      return call.kind === "createInOrder" ? abortable(responded, signal) : responded;
    };
    const close = async (): Promise<void> => {
      await Promise.all([...stores.values()].map((store) => store.close()));
      await exchange.close?.();
    };
    // not async, since that would cost each call time: what is thrown at once is still a rejection
    const exchangeOver: Exchange = (url, spec, signal) => {
      try {
        return speak(url, spec, signal);
      } catch (error) {
        return Promise.reject(error);
      }
    };
    return Object.assign(exchangeOver, { close, sharesSignals: true }) satisfies Exchange;
  };
}

async function respond(store: V3Store, call: AdminCall, context: V3Context): Promise<RawResponse> {
  return rawOf(adminResponse(call, await store.administer(call, context)));
}

function responseTo(call: KeysCall, done: Done | Refused): RawResponse {
  if ("errorCode" in done) return rawOf(refusedResponse(done));
  const quiet = "noValueOnSuccess" in call && call.noValueOnSuccess;
  const headers = {
    "content-type": "application/json",
    "x-etcd-cluster-id": done.clusterId,
    "x-etcd-index": String(done.index),
  };
  const { action, node, prevNode } = done;
  // for the client alone, so in any order of the fields, and without Go's escapes
  const body = JSON.stringify(quiet ? { action } : { action, node, prevNode });
  return { status: doneStatus(done), headers, body };
}

/** One long poll: its headers when the watch is set up, and then the events of one index, one a line. */
async function poll(store: V3Store, call: WatchCall, context: V3Context, spec: RequestSpec): Promise<RawResponse> {
  const watch = await store.watch(call, context);
  if ("errorCode" in watch) return rawOf(refusedResponse(watch));
  try {
    throwIfAborted(context.signal);
    const headers = lowerCase({ "Content-Type": "application/json", ...placeHeaders(watch) });
    const head = { status: 200, headers };
    // what onHeaders returns may be a promise: when it resolves, the poll ends early
    const left = spec.onHeaders?.(head);
    const events = await (isPromise(left)
      ? Promise.race([watch.next(context.signal), left.then(() => undefined)])
      : watch.next(context.signal));
    if (events === undefined) return { ...head, body: "", truncated: true };
    if ("errorCode" in events) return rawOf(refusedResponse(events));
    return { ...head, body: events.map(eventLine).join("") };
  } finally {
    watch.close();
  }
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}

/** Sends what v2 and v3 have in common unchanged, and refuses everything else that is no call: the same server may hold a v2 store. */
function passOn(
  exchange: Exchange,
  url: URL,
  spec: RequestSpec,
  signal: AbortSignal | undefined,
): Promise<RawResponse> {
  const isCommon = spec.method === "GET" && (spec.path === "/version" || spec.path === "/health");
  if (isCommon) {
    // 3.4 refuses any credentials that are not a token
    const { authorization: _, ...headers } = spec.headers ?? {};
    return exchange(url, { ...spec, headers }, signal);
  }
  throw new UsageError(
    "ERR_ARGUMENT",
    `${spec.method} ${spec.path} cannot be sent with v3Protocol: only GET /version, GET /health and what KeysAPI, MembersAPI and the auth APIs send can. For keys under another path use the option namespace in place of prefix`,
  );
}

function isKeysCall(call: Call): call is KeysCall {
  return keysKinds.has(call.kind);
}

const keysKinds: ReadonlySet<string> = new Set<KeysCall["kind"]>([
  "get",
  "set",
  "update",
  "create",
  "createInOrder",
  "compareAndSwap",
  "delete",
  "compareAndDelete",
]);

function rawOf({ status, headers, body }: HttpResponse): RawResponse {
  return { status, headers: lowerCase(headers), body };
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** The user of a request's basic authentication. */
function credentialsOf({ headers }: RequestSpec): Credentials | undefined {
  if (headers?.["authorization"] === undefined) return undefined;
  const encoded = /^Basic (.*)$/i.exec(headers["authorization"])?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
