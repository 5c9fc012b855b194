import { clientExchange } from "./client-exchange.js";
import { parseEndpoints, resolveClientOptions, type ClientOptions, type ResolvedOptions } from "./client-options.js";
import { requireAutoSync, syncForever, type AutoSyncOptions } from "./cluster/auto-sync.js";
import type { CallFollower } from "./cluster/attempt.js";
import { clientAttempts, type ClientAttempts } from "./cluster/client-attempts.js";
import type { Endpoint } from "./cluster/endpoint.js";
import type { EndpointSet } from "./cluster/endpoint-set.js";
import { tryEndpoints, type OnEnd } from "./cluster/failover.js";
import { retryFor } from "./cluster/retry-for.js";
import { EndpointSelectionMode, shuffled } from "./cluster/selection.js";
import { isShared, SharedPolls } from "./cluster/shared-polls.js";
import { isCallTraced, publishSwitch, traced } from "./cluster/trace-calls.js";
import type { RawResponse, RequestSpec, Sender } from "../http/exchange.js";
import { UsageError } from "../util/errors.js";
import { healthOf, type EndpointHealth, type HealthOptions } from "./health.js";
import { endpointsOfMembers } from "./membership.js";
import { untilReady, type ReadyOptions } from "./ready.js";
import { Limiter } from "../util/limiter.js";
import { SharedLinks } from "../util/shared-links.js";
import { throwIfAborted } from "../util/signals.js";
import { requireSignal } from "../util/validate.js";
import { requireRequest } from "./request-check.js";
import type { Versions } from "./types.js";
import { decodeVersion, versionSpec } from "./wire/version.js";

/**
 * A client of one etcd cluster. It keeps to one endpoint, and goes on to the next when that fails.
 *
 * @example
 * const client = new Client({ endpoints: ["http://10.0.0.1:2379", "http://10.0.0.2:2379"] });
 * const keys = new KeysAPI(client);
 * await keys.set("/color", "red");
 * await client.close();
 */
export class Client implements Sender, AsyncDisposable {
  readonly #options: ResolvedOptions;
  readonly #closeExchange: () => Promise<void>;
  readonly #attempts: ClientAttempts;
  readonly #limiter: Limiter;
  readonly #closed = new AbortController();
  readonly #links = new SharedLinks(this.#closed.signal);
  readonly #polls = new SharedPolls({
    endpoints: () => this.#endpoints,
    send: (set, spec, signal, follower) => this.#tryAll(set, spec, signal, follower),
  });
  readonly #movePin: OnEnd = (endpoint, answered, start) => {
    this.#turnTo(answered ? this.#endpoints.pinnedTo(endpoint) : this.#endpoints.pinnedAfter(endpoint, start));
  };
  /** Gives back the slot of the limiter that a call has taken. */
  readonly #slot: CallFollower = {
    onOver: () => {
      this.#limiter.leave();
    },
  };
  #configured: readonly Endpoint[];
  #endpoints: EndpointSet;
  #closing: Promise<void> | undefined;

  /**
   * Does no I/O.
   *
   * @throws {UsageError} for a bad option or endpoint
   */
  constructor(options: ClientOptions) {
    this.#options = resolveClientOptions(options);
    const { endpoints, maxInFlight } = this.#options;
    this.#configured = endpoints;
    this.#endpoints = shuffled(endpoints);
    this.#limiter = new Limiter(maxInFlight);
    const exchange = clientExchange(this.#options, (url) => this.#endpoints.trusts(url));
    this.#closeExchange = exchange.close;
    this.#attempts = clientAttempts(exchange, this.#options, () => this.#endpoints.order(), this.#closed.signal);
  }

  /** The default of `quorum` for reads. */
  get quorumReads(): boolean {
    return this.#options.quorumReads;
  }

  /** A snapshot of the endpoints, in the order in which a call would try them now. */
  get endpoints(): readonly string[] {
    return this.#endpoints.urls();
  }

  /**
   * Replaces the endpoints, in random order. Calls in flight go on with the old ones.
   *
   * @throws {UsageError} for a bad endpoint; the old list then stays
   */
  setEndpoints(endpoints: readonly (string | URL)[]): void {
    this.#configured = parseEndpoints(endpoints);
    this.#turnTo(shuffled(this.#configured));
    this.#attempts.identity.forget();
  }

  /**
   * Sends a request to one endpoint after the other, until one responds with a status below 500. The APIs use it; it
   * also serves for requests that they lack.
   *
   * @throws {ClusterError} no endpoint answered, or one failed in a way after which the request must not be sent again
   * @throws {UsageError} the request cannot be sent as it is, or the client is closed
   * Rejects with `signal.reason` when aborted.
   * @example
   * const { status, body } = await client.send({ method: "GET", path: "/v2/stats/self" });
   */
  send(spec: RequestSpec, signal?: AbortSignal): Promise<RawResponse> {
    try {
      requireSignal("signal", signal);
      throwIfAborted(signal);
      requireRequest(spec);
      this.#requireOpen();
      // other protocols have the key in the body
      if (this.#options.protocol === undefined) this.#endpoints.requireRequestLine(spec);
      const { retryForMs = this.#options.retryForMs } = spec;
      // most calls: there is nothing to release at their end, no observer follows them, and they are not tried again
      return signal === undefined && retryForMs === 0 && !isCallTraced(spec)
        ? this.#sendOnce(spec, this.#links.take(undefined).signal)
        : this.#sendLinked(spec, signal, retryForMs);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #sendLinked(spec: RequestSpec, signal: AbortSignal | undefined, retryForMs: number): Promise<RawResponse> {
    const link = this.#links.take(signal);
    try {
      if (retryForMs === 0 && !isCallTraced(spec)) return await this.#sendOnce(spec, link.signal);
      const once = (): Promise<RawResponse> => this.#sendOnce(spec, link.signal);
      return await traced(spec, () => retryFor(retryForMs, spec, link.signal, once));
    } finally {
      link.release();
    }
  }

  /**
   * Rereads the endpoints from the cluster's membership. Never trades a list that works for one that does not: unusable
   * entries are left out, and so are addresses that do not respond as this cluster, unless they were configured; https
   * is not replaced by http; if none of the advertised endpoints responds, the list stays. The configured endpoints
   * stay the last resort of every call. With `prioritizeLeader`, pins the leader.
   *
   * @throws {ClusterError} `ERR_NO_ENDPOINTS`: the members advertise nothing usable; `ERR_NO_LEADER_ENDPOINT`: the leader
   * is not known; `ERR_CLUSTER_UNAVAILABLE`: no endpoint answered. The list stays
   * @throws {EtcdError} etcd refused
   * @throws {ResponseError} the response is not etcd's
   * Rejects with `signal.reason` when aborted.
   */
  async sync(signal?: AbortSignal): Promise<void> {
    requireSignal("signal", signal);
    const next = await this.#links.during(signal, (ending) =>
      endpointsOfMembers({
        current: () => this.#endpoints,
        configured: () => this.#configured,
        pinsLeader: this.#options.selectionMode === EndpointSelectionMode.prioritizeLeader,
        send: (spec) => this.send(spec, signal),
        probe: (set, spec) =>
          this.#limiter.run(() => tryEndpoints(set.order(), spec, this.#attempts.anonymous, ending), ending),
        signal,
      }),
    );
    if (next !== undefined) this.#turnTo(next);
  }

  /**
   * Syncs at once and then every `intervalMs`, until aborted or closed. A sync that fails does not end it: `onError` gets the
   * error, and the next sync follows after 1 s, then 2 s, and so on up to the interval.
   *
   * @param intervalMs in ms, above 0
   * @throws {UsageError} for a bad interval; `ERR_CLOSED` once the client is closed
   * Rejects with `signal.reason` when aborted.
   * @example
   * void client.autoSync(60_000, { onError: console.error }).catch(() => undefined);
   */
  async autoSync(intervalMs: number, options: AutoSyncOptions = {}): Promise<never> {
    requireAutoSync(intervalMs, options);
    throwIfAborted(options.signal);
    this.#requireOpen();
    const sync = (signal: AbortSignal): Promise<void> => this.sync(signal);
    return this.#links.during(options.signal, (signal) => syncForever(sync, intervalMs, options.onError, signal));
  }

  /**
   * Reads the version of the server. Works without the v2 API and without credentials.
   *
   * @throws {ClusterError} no endpoint answered
   * @throws {ResponseError} the response is not etcd's. etcd 2.0 responds with text: `ERR_INVALID_JSON`
   * Rejects with `signal.reason` when aborted.
   */
  async version(signal?: AbortSignal): Promise<Versions> {
    return decodeVersion(await this.send(versionSpec, signal));
  }

  /**
   * Waits until a quorum read works: a majority of the members is there, and has elected a leader. Failures that may pass are
   * tried again, with pauses.
   *
   * @throws {EtcdError} `isUnauthorized`: the client may not read `options.key`
   * @throws {UsageError} for bad options, and for a closed client
   * Rejects with `signal.reason` when aborted.
   * @example
   * await client.ready({ signal: AbortSignal.timeout(30_000) });
   */
  async ready(options: ReadyOptions = {}): Promise<void> {
    await untilReady(this, options);
  }

  /**
   * Requests the health of every endpoint, all at once. An endpoint that does not respond is not healthy.
   *
   * @throws {UsageError} for bad options, and for a closed client
   * Rejects with `signal.reason` when aborted.
   */
  health(options: HealthOptions = {}): Promise<readonly EndpointHealth[]> {
    return healthOf(this, this.endpoints, options);
  }

  /** Ends the calls in flight, which reject with a `UsageError` `ERR_CLOSED`, and closes all connections. Idempotent. */
  close(): Promise<void> {
    this.#closed.abort(closedError());
    return (this.#closing ??= this.#closeExchange());
  }

  /** Same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw closedError();
  }

  #turnTo(next: EndpointSet): void {
    publishSwitch(this.#endpoints, next);
    this.#endpoints = next;
  }

  /** To one endpoint after the other, or only to the one that the request names. */
  #sendOnce(spec: RequestSpec, signal: AbortSignal): Promise<RawResponse> {
    if (spec.endpoint !== undefined) {
      const only = [this.#endpoints.find(spec.endpoint)];
      const send = (): Promise<RawResponse> => tryEndpoints(only, spec, this.#attempts.known, signal);
      return spec.longPoll === true ? send() : this.#limiter.run(send, signal);
    }
    if (isShared(spec)) return this.#polls.join(spec, signal);
    // a poll may wait for days, and takes no slot of the limiter
    if (spec.longPoll === true) return this.#tryAll(this.#endpoints, spec, signal);
    return this.#limiter.enter()
      ? this.#tryAll(this.#endpoints, spec, signal, this.#slot)
      : this.#limiter.run(() => this.#tryAll(this.#endpoints, spec, signal), signal);
  }

  #tryAll(
    endpoints: EndpointSet,
    spec: RequestSpec,
    signal: AbortSignal,
    follower?: CallFollower,
  ): Promise<RawResponse> {
    return tryEndpoints(endpoints.order(), spec, this.#attempts.known, signal, this.#movePin, follower);
  }
}

function closedError(): UsageError {
  return new UsageError("ERR_CLOSED", "the client is closed");
}
