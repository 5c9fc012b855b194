import { clientExchange } from "./client-exchange.js";
import type { ResolvedOptions } from "./client-options.js";
import type { CallFollower } from "./cluster/attempt.js";
import { syncForever } from "./cluster/auto-sync.js";
import type { AutoSyncOptions } from "./cluster/auto-sync-options.js";
import type { CurrentEndpoints } from "./current-endpoints.js";
import type { EndpointSet } from "./cluster/endpoint-set.js";
import { clientAttempts, type ClientAttempts } from "./cluster/client-attempts.js";
import { tryEndpoints, type OnEnd } from "./cluster/failover.js";
import { retryFor } from "./cluster/retry-for.js";
import { EndpointSelectionMode } from "./cluster/selection.js";
import { isShared, SharedPolls } from "./cluster/shared-polls.js";
import { isCallTraced, traced } from "./cluster/trace-calls.js";
import type { RawResponse, RequestSpec } from "../http/exchange.js";
import { endpointsOfMembers } from "./membership.js";
import { requireRequest } from "./request-check.js";
import { Limiter } from "../util/limiter.js";
import { onAbort } from "../util/signals.js";
import { SharedLinks } from "../util/shared-links.js";

/** What a client and its sender share. */
export interface ClusterSenderFields {
  readonly options: ResolvedOptions;
  readonly endpoints: CurrentEndpoints;
  /** Aborts when the client is closed. */
  readonly closed: AbortSignal;
}

/** Sends the requests of a client to its cluster. Made with the first one, since few of its parts are needed before. */
export class ClusterSender {
  readonly #options: ResolvedOptions;
  readonly #endpoints: CurrentEndpoints;
  readonly #closed: AbortSignal;
  readonly #closeExchange: () => Promise<void>;
  readonly #attempts: ClientAttempts;
  readonly #limiter: Limiter;
  readonly #links: SharedLinks;
  readonly #polls = new SharedPolls({
    endpoints: () => this.#endpoints.set,
    send: (set, spec, signal, follower) => this.#tryAll(set, spec, signal, follower),
  });
  readonly #movePin: OnEnd = (endpoint, answered, start) => {
    const { set } = this.#endpoints;
    this.#endpoints.turnTo(answered ? set.pinnedTo(endpoint) : set.pinnedAfter(endpoint, start));
  };

  /** Gives back the slot of the limiter that a call has taken. */
  readonly #slot: CallFollower = {
    onOver: () => {
      this.#limiter.leave();
    },
  };

  /** Does no I/O. */
  constructor({ options, endpoints, closed }: ClusterSenderFields) {
    this.#options = options;
    this.#endpoints = endpoints;
    this.#closed = closed;
    this.#limiter = new Limiter(options.maxInFlight);
    this.#links = new SharedLinks(closed);
    // one callback that stays: otherwise each of several calls in turn would add a listener to the signal, and remove it
    onAbort(closed, () => undefined);
    const exchange = clientExchange(options, (url) => endpoints.set.trusts(url));
    this.#closeExchange = exchange.close;
    this.#attempts = clientAttempts(exchange, options, () => endpoints.set.order(), closed);
  }

  /** See `Client.send`. @throws {UsageError} the request cannot be sent as it is, or the client is closed */
  send(spec: RequestSpec, signal: AbortSignal | undefined): Promise<RawResponse> {
    requireRequest(spec);
    this.#closed.throwIfAborted();
    // other protocols have the key in the body
    if (this.#options.protocol === undefined) this.#endpoints.set.requireRequestLine(spec);
    const { retryForMs = this.#options.retryForMs } = spec;
    // most calls: there is nothing to release at their end, no observer follows them, and they are not tried again
    return signal === undefined && retryForMs === 0 && !isCallTraced(spec)
      ? this.#sendOnce(spec, this.#links.take(undefined).signal)
      : this.#sendLinked(spec, signal, retryForMs);
  }

  /** See `Client.sync`. @param send the client's `send` */
  async sync(send: (spec: RequestSpec) => Promise<RawResponse>, signal: AbortSignal | undefined): Promise<void> {
    const next = await this.#links.during(signal, (ending) =>
      endpointsOfMembers({
        current: () => this.#endpoints.set,
        configured: () => this.#endpoints.configured,
        pinsLeader: this.#options.selectionMode === EndpointSelectionMode.prioritizeLeader,
        send,
        probe: (set, spec) =>
          this.#limiter.run(() => tryEndpoints(set.order(), spec, this.#attempts.anonymous, ending), ending),
        signal,
      }),
    );
    if (next !== undefined) this.#endpoints.turnTo(next);
  }

  /** See `Client.autoSync`. @param sync the client's `sync` */
  autoSync(
    sync: (signal: AbortSignal) => Promise<void>,
    intervalMs: number,
    { signal, onError }: AutoSyncOptions,
  ): Promise<never> {
    return this.#links.during(signal, (ending) => syncForever(sync, intervalMs, onError, ending));
  }

  /** Forgets which cluster the endpoints belonged to. */
  forgetCluster(): void {
    this.#attempts.identity.forget();
  }

  /** Closes all connections. */
  close(): Promise<void> {
    return this.#closeExchange();
  }

  #sendLinked(spec: RequestSpec, signal: AbortSignal | undefined, retryForMs: number): Promise<RawResponse> {
    return this.#links.during(signal, (ending) =>
      retryForMs === 0 && !isCallTraced(spec)
        ? this.#sendOnce(spec, ending)
        : traced(spec, () => retryFor(retryForMs, spec, ending, () => this.#sendOnce(spec, ending))),
    );
  }

  /** Sends to one endpoint after the other, or only to the one that the request names. */
  #sendOnce(spec: RequestSpec, signal: AbortSignal): Promise<RawResponse> {
    const { set } = this.#endpoints;
    if (spec.endpoint !== undefined) {
      const only = [set.find(spec.endpoint)];
      const send = (): Promise<RawResponse> => tryEndpoints(only, spec, this.#attempts.known, signal);
      return spec.longPoll === true ? send() : this.#limiter.run(send, signal);
    }
    if (isShared(spec)) return this.#polls.join(spec, signal);
    // a poll may wait for days, and takes no slot of the limiter
    if (spec.longPoll === true) return this.#tryAll(set, spec, signal);
    return this.#limiter.enter()
      ? this.#tryAll(set, spec, signal, this.#slot)
      : this.#limiter.run(() => this.#tryAll(this.#endpoints.set, spec, signal), signal);
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
