import { parseEndpoints, resolveClientOptions, type ClientOptions, type ResolvedOptions } from "./client-options.js";
import { requestUrl, type Endpoint } from "./cluster/endpoint.js";
import type { EndpointSet } from "./cluster/endpoint-set.js";
import { tryEndpoints } from "./cluster/failover.js";
import { EndpointSelectionMode, shuffled } from "./cluster/selection.js";
import { isShared, SharedPolls } from "./cluster/shared-polls.js";
import { syncedEndpoints } from "./cluster/sync.js";
import { SdkError, UsageError } from "../util/errors.js";
import type { Exchange, RawResponse, RequestLimits, RequestSpec, Sender } from "../http/exchange.js";
import { gotExchange } from "../http/got/got-exchange.js";
import { networkError } from "../http/network-error.js";
import { withOwnSignal } from "../http/own-signal.js";
import { withRedirects } from "../http/redirects.js";
import { withTrace } from "../http/trace.js";
import type { Versions } from "./types.js";
import { Backoff } from "../util/backoff.js";
import { log } from "../util/log.js";
import { SharedLinks, type SharedLink } from "../util/shared-links.js";
import { abortable, sleep } from "../util/signals.js";
import { Turns } from "../util/turns.js";
import { badArgument, requireFunction, requireMs, requireOptions, requireSignal } from "../util/validate.js";
import { decodeLeader, decodeMembers, leaderSpec, listMembersSpec } from "./wire/members.js";
import { serverError } from "./wire/response.js";
import { decodeVersion, versionSpec } from "./wire/version.js";

export interface AutoSyncOptions {
  /** Ends the loop. Absent: only `close()` does. */
  readonly signal?: AbortSignal | undefined;
  /** Told of every sync that failed. If it throws, the loop ends with what it threw. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** A client of one etcd cluster: owns its endpoints, picks one, stays with it, and goes on to the next when it fails. */
export class Client implements Sender, AsyncDisposable {
  readonly #options: ResolvedOptions;
  readonly #transport: Exchange;
  readonly #exchange: Exchange;
  readonly #turns: Turns;
  readonly #closed = new AbortController();
  readonly #links = new SharedLinks(this.#closed.signal);
  readonly #polls = new SharedPolls();
  #configured: readonly Endpoint[];
  #endpoints: EndpointSet;
  #closing: Promise<void> | undefined;

  /** Does no I/O. @throws {UsageError} for a bad option or endpoint */
  constructor(options: ClientOptions) {
    this.#options = resolveClientOptions(options);
    const { endpoints, maxInFlight, maxRedirects, checkRedirect, tls, transport } = this.#options;
    this.#configured = endpoints;
    this.#endpoints = shuffled(endpoints);
    this.#turns = new Turns(maxInFlight);
    this.#transport = transport ?? gotExchange(tls);
    this.#exchange = withRedirects(withTrace(withOwnSignal(this.#transport)), {
      limit: maxRedirects,
      check: checkRedirect,
      trusts: (url) => this.#endpoints.trusts(url),
    });
  }

  /** What `quorum` of a read is when it is not said. */
  get quorumReads(): boolean {
    return this.#options.quorumReads;
  }

  /** A snapshot of the endpoints, in the order in which they would be tried now. */
  get endpoints(): readonly string[] {
    return this.#endpoints.urls();
  }

  /** Replaces the endpoints, in random order. Calls in flight go on with the old ones. @throws {UsageError} the old ones then stay */
  setEndpoints(endpoints: readonly (string | URL)[]): void {
    this.#configured = parseEndpoints(endpoints);
    this.#endpoints = shuffled(this.#configured);
  }

  /**
   * Sends a request to one endpoint after the other, until one answers below 500; for the APIs, and for calls they lack.
   *
   * @throws {ClusterError} no endpoint answered, or one failed in a way after which the request must not be sent again
   * @throws {UsageError} the client is closed, or the request line is too long
   * Rejects with `signal.reason` when aborted.
   */
  send(spec: RequestSpec, signal?: AbortSignal): Promise<RawResponse> {
    const endpoints = this.#endpoints;
    try {
      requireSignal("signal", signal);
      signal?.throwIfAborted();
      this.#requireOpen();
      endpoints.requireRequestLine(spec);
    } catch (error) {
      // no async function only for this: each waiting watcher would hold a promise more
      return Promise.reject(error);
    }
    return this.#linked(signal, (link) => {
      const ask = (of: EndpointSet): Promise<RawResponse> =>
        this.#inTurn(spec, link, () => this.#tryAll(of, spec, link));
      return isShared(spec) ? this.#polls.join(spec, () => this.#endpoints, link, ask) : ask(endpoints);
    });
  }

  /**
   * Rereads the endpoints from the cluster's membership. Never trades a list that works for one that does not: unusable
   * entries are left out, https is not given up for http, and when none of the advertised endpoints answers, the list
   * stays. The configured endpoints stay the last resort of every call. With `prioritizeLeader`, pins the leader.
   *
   * @throws {ClusterError} `ERR_NO_ENDPOINTS` when the members advertise nothing usable, `ERR_NO_LEADER_ENDPOINT` when
   * the leader cannot be told, `ERR_CLUSTER_UNAVAILABLE`; the list then stays
   * @throws {EtcdError | ResponseError} the membership was refused, or the answer is not etcd's
   * Rejects with `signal.reason` when aborted.
   */
  async sync(signal?: AbortSignal): Promise<void> {
    const configured = this.#configured;
    const raw = await this.send(listMembersSpec, signal);
    const next = await syncedEndpoints({
      members: decodeMembers(raw),
      clusterId: clusterIdOf(raw),
      current: this.#endpoints,
      configured,
      leader:
        this.#options.selectionMode === EndpointSelectionMode.prioritizeLeader
          ? async (set) => decodeLeader(await this.#sendTo(set, leaderSpec, signal))
          : undefined,
      probe: async (set) => {
        const answer = await this.#sendTo(set, listMembersSpec, signal);
        decodeMembers(answer);
        return clusterIdOf(answer);
      },
      signal,
    });
    // a list that was set meanwhile is the user's newer word
    if (next === undefined || this.#configured !== configured) return;
    this.#endpoints = next;
    log.sync(
      "endpoints are now %s",
      next
        .order()
        .map((endpoint) => endpoint.label)
        .join(" "),
    );
  }

  /**
   * Syncs at once and then every `intervalMs`, until aborted or closed. A sync that fails does not end it: it is reported,
   * and tried again after 1 s, doubling up to the interval.
   *
   * @param intervalMs in ms, above 0
   * @throws {UsageError} a bad interval; `ERR_CLOSED` when the client is closed
   * Rejects with `signal.reason` when aborted.
   */
  async autoSync(intervalMs: number, options: AutoSyncOptions = {}): Promise<never> {
    requireMs("intervalMs", intervalMs);
    if (intervalMs === Infinity) badArgument("intervalMs must be finite");
    requireOptions("options", options, autoSyncOptionNames);
    requireSignal("options.signal", options.signal);
    requireFunction("options.onError", options.onError);
    options.signal?.throwIfAborted();
    this.#requireOpen();
    return this.#linked(options.signal, (signal) => this.#syncForever(intervalMs, options.onError, signal));
  }

  /**
   * Asks an endpoint for its version; works without the v2 API and without credentials.
   *
   * @throws {ClusterError} no endpoint answered
   * @throws {ResponseError} the answer is not etcd's; servers 2.0 answer with text, an `ERR_INVALID_JSON`
   * Rejects with `signal.reason` when aborted.
   */
  async version(signal?: AbortSignal): Promise<Versions> {
    return decodeVersion(await this.send(versionSpec, signal));
  }

  /** Ends the calls in flight, which reject with a `UsageError` `ERR_CLOSED`, and lets go of all sockets. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#closed.abort(closedError());
    await this.#transport.close?.();
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw closedError();
  }

  /** Runs under a signal that follows the caller's and `close()`; without one of the caller's, there is nothing to derive. */
  #linked<T>(signal: AbortSignal | undefined, run: (link: AbortSignal) => Promise<T>): Promise<T> {
    return signal === undefined ? run(this.#closed.signal) : this.#withLink(this.#links.take(signal), run);
  }

  async #withLink<T>(link: SharedLink, run: (link: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await run(link.signal);
    } finally {
      link.release();
    }
  }

  /** One of `maxInFlight`; long polls do not count. Ends at once when aborted, also while it waits for its turn. */
  #inTurn<T>(spec: RequestSpec, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
    if (spec.longPoll === true) return run();
    // at work it is the transport that ends it
    return this.#turns.busy ? abortable(this.#turns.run(run), signal) : this.#turns.run(run);
  }

  #tryAll(endpoints: EndpointSet, spec: RequestSpec, signal: AbortSignal): Promise<RawResponse> {
    const order = endpoints.order();
    return tryEndpoints(order, {
      attempt: (endpoint) => this.#attempt(endpoint, spec, signal, this.#options.authorization),
      oneShot: spec.oneShot === true,
      onEnd: (endpoint, answered) => {
        this.#endpoints = answered
          ? this.#endpoints.pinnedTo(endpoint)
          : this.#endpoints.pinnedAfter(endpoint, order[0]);
      },
      signal,
    });
  }

  /** The same, with a list that is not installed: no pin to move, and no credentials, since it may not be the cluster. */
  async #sendTo(endpoints: EndpointSet, spec: RequestSpec, signal: AbortSignal | undefined): Promise<RawResponse> {
    this.#requireOpen();
    return this.#linked(signal, (link) =>
      this.#inTurn(spec, link, () =>
        tryEndpoints(endpoints.order(), {
          attempt: (endpoint) => this.#attempt(endpoint, spec, link, undefined),
          oneShot: false,
          onEnd: () => undefined,
          signal: link,
        }),
      ),
    );
  }

  async #attempt(
    endpoint: Endpoint,
    spec: RequestSpec,
    signal: AbortSignal,
    authorization: string | undefined,
  ): Promise<RawResponse> {
    const { pollLimits, requestLimits } = this.#options;
    const limits = tighter(spec.longPoll === true ? pollLimits : requestLimits, spec.limits);
    const headers = authorization === undefined ? spec.headers : { ...spec.headers, authorization };
    const url = requestUrl(endpoint, spec);
    let raw: RawResponse;
    try {
      raw = await this.#exchange(url, specWith(spec, headers, limits), signal);
    } catch (error) {
      signal.throwIfAborted();
      // a transport of the user's own may reject with anything; what it had sent by then is not known
      throw error instanceof SdkError ? error : networkError(url, spec, error, true);
    }
    if (raw.status >= 500) throw serverError(raw, spec, endpoint.label);
    return answerOf(raw, endpoint);
  }

  async #syncForever(intervalMs: number, onError: AutoSyncOptions["onError"], signal: AbortSignal): Promise<never> {
    const backoff = new Backoff(Math.min(1_000, intervalMs), intervalMs);
    for (let due = performance.now(); ;) {
      const failure = await this.sync(signal).then(
        () => undefined,
        (error: unknown) => ({ error }),
      );
      signal.throwIfAborted();
      due = Math.max(due + intervalMs, performance.now());
      if (failure === undefined) {
        backoff.reset();
      } else {
        log.sync("failed: %s", failure.error instanceof Error ? failure.error.message : "");
        onError?.(failure.error);
        due = performance.now() + backoff.next();
      }
      await sleep(due - performance.now(), signal);
    }
  }
}

type AllFields<T> = { readonly [Name in keyof Required<T>]: T[Name] };

/** Field by field: spreading costs more here than all else that a call does. */
function specWith(
  spec: RequestSpec,
  headers: RequestSpec["headers"],
  limits: RequestLimits,
): AllFields<Omit<RequestSpec, "shared">> {
  const { method, path, query, body, bytes, maskedBody, oneShot, longPoll, onHeaders } = spec;
  return { method, path, query, headers, body, bytes, maskedBody, oneShot, longPoll, limits, onHeaders };
}

function answerOf(
  { status, headers, body, maybeApplied, truncated }: RawResponse,
  endpoint: Endpoint,
): AllFields<RawResponse> {
  return { status, headers, body, endpoint: endpoint.label, maybeApplied, truncated };
}

function clusterIdOf({ headers }: RawResponse): string {
  return headers["x-etcd-cluster-id"] ?? "";
}

function tighter(ours: RequestLimits, asked: RequestLimits | undefined): RequestLimits {
  if (asked === undefined) return ours;
  return { headersMs: Math.min(ours.headersMs, asked.headersMs), idleMs: Math.min(ours.idleMs, asked.idleMs) };
}

function closedError(): UsageError {
  return new UsageError("ERR_CLOSED", "the client is closed");
}

const autoSyncOptionNames: ReadonlySet<string> = new Set<keyof AutoSyncOptions>(["signal", "onError"]);
