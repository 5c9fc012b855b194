import type { AdminCall, StatusCall } from "../core/call.js";
import type { CallContext, Credentials, KeysStore, KeysWatch } from "../core/keys-store.js";
import { EtcdErrorCode, SdkError } from "../util/errors.js";
import { parseAdminRequest } from "./admin-request.js";
import * as responses from "./responses.js";
import { credentialsOf } from "./credentials.js";
import { jsonField } from "./go-json.js";
import { cleanPath, EscapeError, escapePath, unescape } from "./go-text.js";
import { parseKeysRequest } from "./keys-request.js";
import type { EtcdVersion, HttpResponse, HttpRequest } from "./messages.js";

/** The properties of a face. */
export interface FaceOptions {
  /** The version of etcd to imitate, where versions differ. */
  readonly version: EtcdVersion;
  /** In hexadecimal, for responses to requests that do not reach the store. */
  readonly clusterId: string;
  /** False: imitates an etcd without `--enable-v2`. @default true */
  readonly v2?: boolean | undefined;
}

/** Responds to HTTP requests as etcd does. Rejects with `request.signal.reason` when the client goes away. */
export type Face = (request: HttpRequest) => Promise<HttpResponse>;

/** Puts v2's HTTP API in front of a store. */
export function createFace(store: KeysStore, options: FaceOptions): Face {
  return async (request) => {
    const response = await responseTo(store, options, request);
    if (response === badRequest) return response;
    return options.version === "3.3" ? response : { ...response, headers: { ...corsHeaders, ...response.headers } };
  };
}

/** Path and query of a request, as Go's server reads them. */
export interface Target {
  /** Decoded. */
  readonly path: string;
  /** As sent, without the question mark. */
  readonly query: string;
}

/**
 * Takes a request target apart.
 *
 * @throws {EscapeError} when the path cannot be decoded
 */
export function targetOf(target: string): Target {
  const local = target.replace(/^https?:\/\/[^/?]*/i, "");
  const mark = local.indexOf("?");
  const path = unescape(mark < 0 ? local : local.slice(0, mark), false);
  return { path: path === "" ? "/" : path, query: mark < 0 ? "" : local.slice(mark + 1) };
}

/** Sent by Go's server itself, without the headers that etcd adds. */
const badRequest: HttpResponse = {
  status: 400,
  headers: { "Content-Type": "text/plain; charset=utf-8", Connection: "close" },
  body: "400 Bad Request",
};

const emptyResponse: HttpResponse = { status: 200, headers: {}, body: "" };

const corsHeaders = {
  "Access-Control-Allow-Headers": "accept, content-type, authorization",
  "Access-Control-Allow-Methods": "POST, GET, OPTIONS, PUT, DELETE",
  "Access-Control-Allow-Origin": "*",
} as const;

async function responseTo(store: KeysStore, options: FaceOptions, request: HttpRequest): Promise<HttpResponse> {
  let target: Target;
  try {
    target = targetOf(request.target);
  } catch (error) {
    if (!(error instanceof EscapeError)) throw error;
    return badRequest;
  }
  const isOptions = request.method === "OPTIONS";
  if (isOptions && options.version !== "3.3") return emptyResponse;
  const { path, query } = target;
  const clean = cleanPath(path) + (path.endsWith("/") && cleanPath(path) !== "/" ? "/" : "");
  if (path !== clean && request.method !== "CONNECT")
    return responses.movedResponse(request.method, escapePath(clean) + (query === "" ? "" : `?${query}`));
  if (isOptions) return emptyResponse;
  const context = {
    credentials: credentialsOf(request.headers["authorization"]),
    signal: request.signal,
  };
  if (path.startsWith("/v2/") || path === "/v2") {
    if (options.v2 === false) return notFound;
    if (path === "/v2/keys" || path.startsWith("/v2/keys/"))
      return keysResponse(store, options, request, target, context);
    if (path === "/v2/machines") return machines(store, request, context);
  }
  return adminResponse(store, options, request, path, context);
}

async function keysResponse(
  store: KeysStore,
  { version, clusterId }: FaceOptions,
  request: HttpRequest,
  { path, query }: Target,
  context: CallContext,
): Promise<HttpResponse> {
  if (!keysMethods.includes(request.method)) return wrongMethod(keysMethods.join(","));
  const parsed = parseKeysRequest(
    request,
    path.slice("/v2/keys".length),
    query,
    version === "3.3" ? "separate" : "refused",
  );
  if ("errorCode" in parsed) return responses.malformedResponse(parsed, clusterId);
  const { call, keyAsSent, quiet, stream } = parsed;
  try {
    if (call.kind === "watch") {
      const watch = await store.watch(call, { ...context, keyAsSent });
      return "errorCode" in watch
        ? responses.refusedResponse(watch)
        : responses.watchResponse(watch, new WatchLines(watch, stream, request.signal));
    }
    const result = await store.execute(call, { ...context, keyAsSent });
    return "errorCode" in result ? responses.refusedResponse(result) : responses.doneResponse(result, quiet);
  } catch (error) {
    if (!(error instanceof SdkError)) throw error;
    const cause = error.message;
    return responses.malformedResponse({ errorCode: EtcdErrorCode.raftInternal, cause }, clusterId);
  }
}

async function machines(store: KeysStore, request: HttpRequest, context: CallContext): Promise<HttpResponse> {
  if (request.method !== "GET" && request.method !== "HEAD") return wrongMethod("GET,HEAD");
  let json: unknown;
  try {
    ({ json } = (await store.administer?.({ kind: "listMembers" }, context)) ?? {});
  } catch (error) {
    if (!(error instanceof SdkError)) throw error;
    return responses.messageResponse(500, "Internal Server Error");
  }
  const members = jsonField(json, "members");
  const urls = Array.isArray(members) ? members.flatMap((member: unknown) => jsonField(member, "clientURLs")) : [];
  return responses.machinesResponse(urls.map(String).toSorted());
}

async function adminResponse(
  store: KeysStore,
  { clusterId }: FaceOptions,
  request: HttpRequest,
  path: string,
  context: CallContext,
): Promise<HttpResponse> {
  const parsed = parseAdminRequest(request, path);
  if (parsed === undefined || store.administer === undefined) return notFound;
  if ("kind" in parsed) return administered(store, parsed, context);
  if (parsed.forRootOnly === true) {
    const probe = await administered(store, rootOnly, context);
    if (probe.status === 401) return probe;
  }
  return "status" in parsed
    ? responses.messageResponse(parsed.status, parsed.message, parsed.nameless ? undefined : clusterId)
    : wrongMethod(parsed.allow, parsed.forRootOnly ? clusterId : undefined);
}

async function administered(store: KeysStore, call: AdminCall, context: CallContext): Promise<HttpResponse> {
  try {
    const result = await store.administer?.(call, context);
    return result === undefined ? notFound : responses.adminResponse(call, result);
  } catch (error) {
    if (!(error instanceof SdkError)) throw error;
    return responses.messageResponse(500, "Internal Server Error");
  }
}

/** A call that changes nothing and needs the rights of root. It shows whether the caller has them. */
const rootOnly: StatusCall = { kind: "listUsers" };

const keysMethods: readonly string[] = ["HEAD", "GET", "PUT", "POST", "DELETE"];
const notFound = responses.textResponse(404, "404 page not found");

function wrongMethod(allow: string | undefined, clusterId?: string): HttpResponse {
  return responses.textResponse(405, "Method Not Allowed", {
    ...(allow !== undefined && { Allow: allow }),
    ...(clusterId !== undefined && { "X-Etcd-Cluster-Id": clusterId }),
  });
}

/** The events of a watch as lines: one for a poll, all for a stream. Closes the watch at the end. */
class WatchLines implements AsyncIterable<string>, AsyncIterator<string, undefined> {
  readonly #watch: KeysWatch;
  readonly #stream: boolean;
  readonly #signal: AbortSignal | undefined;
  #pending: string[] = [];
  #ended = false;

  constructor(watch: KeysWatch, stream: boolean, signal: AbortSignal | undefined) {
    this.#watch = watch;
    this.#stream = stream;
    this.#signal = signal;
  }

  [Symbol.asyncIterator](): AsyncIterator<string, undefined> {
    return this;
  }

  async next(): Promise<IteratorResult<string, undefined>> {
    const waiting = this.#pending.shift();
    if (waiting !== undefined) return { done: false, value: waiting };
    if (this.#ended) return { done: true, value: undefined };
    try {
      const events = await this.#watch.next(this.#signal);
      if (events === undefined || "errorCode" in events) return await this.return();
      const [first = "", ...rest] = events.map(responses.eventLine);
      if (this.#stream) this.#pending = rest;
      else void this.return();
      return { done: false, value: first };
    } catch (error) {
      void this.return();
      throw error;
    }
  }

  return(): Promise<IteratorResult<string, undefined>> {
    this.#ended = true;
    this.#watch.close();
    return Promise.resolve({ done: true, value: undefined });
  }
}

/** The user that a request claims to be; for logs and tests, without the password. */
export function userOf(authorization: string | undefined): Credentials["username"] | undefined {
  return credentialsOf(authorization)?.username;
}
