import { parseEndpoints, resolveClientOptions, type ClientOptions, type ResolvedOptions } from "./client-options.js";
import { requireAutoSync, type AutoSyncOptions } from "./cluster/auto-sync-options.js";
import { CurrentEndpoints } from "./current-endpoints.js";
import type { ClusterSender } from "./cluster-sender.js";
import type * as FirstCall from "./first-call.js";
import type { EndpointHealth, HealthOptions } from "./health.js";
import { load, loaded } from "./load.js";
import type { ReadyOptions } from "./ready.js";
import type { Versions } from "./types.js";
import type { RawResponse, RequestSpec, Sender } from "../http/exchange.js";
import { copyOf } from "../util/copy-of.js";
import { UsageError } from "../util/errors.js";
import { linkSignal, throwIfAborted } from "../util/signals.js";
import { requireRetryForMs, requireSignal } from "../util/validate.js";

/**
 * A client of one etcd cluster. It stays with one endpoint, and goes on to the next when that fails.
 *
 * @example
 * const client = new Client({ endpoints: ["http://10.0.0.1:2379", "http://10.0.0.2:2379"] });
 * const keys = new KeysAPI(client);
 * await keys.set("/color", "red");
 * await client.close();
 */
export class Client implements Sender, AsyncDisposable {
  readonly #options: ResolvedOptions;
  readonly #endpoints: CurrentEndpoints;
  readonly #closed = new AbortController();
  /** Made with the first request. */
  #sender: ClusterSender | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Does no I/O.
   *
   * @throws {UsageError} for a bad option or endpoint
   */
  constructor(options: ClientOptions) {
    this.#options = resolveClientOptions(options);
    this.#endpoints = new CurrentEndpoints(this.#options.endpoints);
  }

  /** The default of `quorum` for reads. */
  get quorumReads(): boolean {
    return this.#options.quorumReads;
  }

  /** The default of `retryForMs` for calls, in ms. */
  get retryForMs(): number {
    return this.#options.retryForMs;
  }

  /** A snapshot of the endpoints, in the order in which a call would try them now. */
  get endpoints(): readonly string[] {
    return this.#endpoints.set.urls();
  }

  /**
   * Replaces the endpoints, in random order. Calls in flight go on with the old ones.
   *
   * @throws {UsageError} for a bad endpoint; the old list then stays
   */
  setEndpoints(endpoints: readonly (string | URL)[]): void {
    this.#endpoints.configure(parseEndpoints(endpoints));
    this.#sender?.forgetCluster();
  }

  /**
   * Sends a request to one endpoint after the other, until one responds with a status below 500. The APIs use it; use it
   * yourself for requests that they lack.
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
      const parts = loaded();
      return parts === undefined ? this.#sendFirst(spec, signal) : this.#senderOf(parts).send(spec, signal);
    } catch (error) {
      return Promise.reject(error);
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
    const sender = this.#senderOf(loaded() ?? (await this.#load(signal)));
    await sender.sync((spec) => this.send(spec, signal), signal);
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
    this.#closed.signal.throwIfAborted();
    const own = copyOf(options);
    const sender = this.#senderOf(loaded() ?? (await this.#load(own.signal, Infinity)));
    return sender.autoSync((signal) => this.sync(signal), intervalMs, own);
  }

  /**
   * Reads the version of the server. Works without the v2 API and without credentials.
   *
   * @throws {ClusterError} no endpoint answered
   * @throws {ResponseError} the response is not etcd's. etcd 2.0 responds with text: `ERR_INVALID_JSON`
   * Rejects with `signal.reason` when aborted.
   */
  async version(signal?: AbortSignal): Promise<Versions> {
    requireSignal("signal", signal);
    const { decodeVersion, versionSpec } = loaded() ?? (await this.#load(signal));
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
    const own = copyOf(options);
    const { signal } = Object(own) as ReadyOptions;
    requireSignal("options.signal", signal);
    const { untilReady } = loaded() ?? (await this.#load(signal, Infinity));
    await untilReady(this, own);
  }

  /**
   * Requests the health of every endpoint, all at once. An endpoint that does not respond is not healthy.
   *
   * @throws {UsageError} for bad options, and for a closed client
   * Rejects with `signal.reason` when aborted.
   */
  async health(options: HealthOptions = {}): Promise<readonly EndpointHealth[]> {
    const own = copyOf(options);
    const { signal } = Object(own) as HealthOptions;
    requireSignal("options.signal", signal);
    const { healthOf } = loaded() ?? (await this.#load(signal));
    return healthOf(this, this.endpoints, own);
  }

  /** Ends the calls in flight, which reject with a `UsageError` `ERR_CLOSED`, and closes all connections. Idempotent. */
  close(): Promise<void> {
    this.#closed.abort(new UsageError("ERR_CLOSED", "the client is closed"));
    return (this.#closing ??= this.#closeConnections());
  }

  /** Same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #closeConnections(): Promise<void> {
    // without a request there are none, but a transport of the user's is closed all the same
    await (this.#sender ?? this.#options.transport)?.close?.();
  }

  #senderOf({ ClusterSender }: typeof FirstCall): ClusterSender {
    return (this.#sender ??= new ClusterSender({
      options: this.#options,
      endpoints: this.#endpoints,
      closed: this.#closed.signal,
    }));
  }

  async #sendFirst(spec: RequestSpec, signal: AbortSignal | undefined): Promise<RawResponse> {
    const own = copyOf(spec);
    // the rest is checked after that
    const { retryForMs } = Object(own) as Partial<RequestSpec>;
    if (retryForMs !== undefined) requireRetryForMs("spec.retryForMs", retryForMs);
    await this.#load(signal, retryForMs);
    return this.send(own, signal);
  }

  async #load(signal: AbortSignal | undefined, retryForMs = this.#options.retryForMs): Promise<typeof FirstCall> {
    const link = linkSignal(signal, this.#closed.signal);
    try {
      return await load({ endpoint: this.endpoints[0], retryForMs, signal: link.signal });
    } finally {
      link.unlink();
    }
  }
}
