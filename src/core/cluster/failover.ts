import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import { ClusterError, EndpointError } from "../../util/errors.js";
import { changesNothing } from "../../util/changes-nothing.js";
import { log } from "../../util/log.js";
import { Attempt, type Attempts, type CallFollower } from "./attempt.js";
import type { Endpoint } from "./endpoint.js";
import { errorAfter, unknownOf } from "./maybe-applied.js";
import { StrangerError } from "./stranger.js";

/**
 * Told of the endpoint at which a call ends: it answered and is to be pinned, or the next call is to begin after it.
 * `start` is the endpoint at which the call began.
 */
export type OnEnd = (endpoint: Endpoint, answered: boolean, start: Endpoint | undefined) => void;

/**
 * Tries each endpoint at most once, one after the other, until one responds. Goes on only if the request may be sent
 * again: see {@link mayGoOn}. A single endpoint is tried twice if the first try met a kept connection that had been
 * closed.
 *
 * @throws {ClusterError} no endpoint answered, or a request that must not be sent again failed
 * Rejects with the signal's reason when aborted.
 */
export function tryEndpoints(
  order: readonly Endpoint[],
  spec: RequestSpec,
  attempts: Attempts,
  signal: AbortSignal,
  onEnd?: OnEnd,
  follower?: CallFollower,
): Promise<RawResponse> {
  const call = new FailoverCall(order, spec, attempts, signal, onEnd, follower);
  // it may have waited, for the limiter
  return signal.aborted ? call.giveUp(signal.reason) : call.tryNext(order[0]);
}

/**
 * One call on its way from endpoint to endpoint. Each attempt ends in {@link #succeed} or in {@link #fail}, which tries the next
 * endpoint.
 *
 * Only `#fail` is async. An async function on the way of every call would cost each a fiftieth of its CPU time, and each pending
 * poll 0.2 kB (measured).
 */
class FailoverCall {
  readonly #order: readonly Endpoint[];
  readonly #spec: RequestSpec;
  readonly #attempts: Attempts;
  readonly #signal: AbortSignal;
  readonly #onEnd: OnEnd | undefined;
  readonly #follower: CallFollower | undefined;
  #failures: Failures | undefined;

  constructor(
    order: readonly Endpoint[],
    spec: RequestSpec,
    attempts: Attempts,
    signal: AbortSignal,
    onEnd: OnEnd | undefined,
    follower: CallFollower | undefined,
  ) {
    this.#order = order;
    this.#spec = spec;
    this.#attempts = attempts;
    this.#signal = signal;
    this.#onEnd = onEnd;
    this.#follower = follower;
  }

  /** Sends the request to an endpoint, and after a failure to the next one; undefined: there is none left. */
  tryNext(endpoint: Endpoint | undefined): Promise<RawResponse> {
    if (endpoint === undefined)
      return this.giveUp(new ClusterError("ERR_CLUSTER_UNAVAILABLE", this.#failures?.errors ?? []));
    const isOurs = this.#failures?.isOurs;
    const attempt = new Attempt(this.#attempts, endpoint, this.#spec, this.#signal, this.#follower, isOurs);
    return attempt.send().then(
      (received) => this.#receive(attempt, received),
      (thrown: unknown) => this.#fail(attempt, thrown),
    );
  }

  /** The call is over, without a response. */
  giveUp(reason: unknown): Promise<never> {
    this.#follower?.onOver();
    return Promise.reject(reason);
  }

  #receive(attempt: Attempt, received: RawResponse): RawResponse | Promise<RawResponse> {
    try {
      const raw = attempt.accept(received);
      if (!(raw instanceof Promise)) return this.#succeed(attempt, raw);
      return raw.then(
        (accepted) => this.#succeed(attempt, accepted),
        (thrown: unknown) => this.#fail(attempt, thrown),
      );
    } catch (thrown) {
      return this.#fail(attempt, thrown);
    }
  }

  /** The call is over, with a response. */
  #succeed(attempt: Attempt, raw: RawResponse): RawResponse {
    attempt.end();
    this.#onEnd?.(attempt.endpoint, raw.truncated !== true, this.#order[0]);
    this.#follower?.onOver();
    return this.#failures?.maybeApplied === true ? { ...raw, maybeApplied: true } : raw;
  }

  /** An attempt has failed: goes on, if the request may be sent again. */
  async #fail(attempt: Attempt, thrown: unknown): Promise<RawResponse> {
    attempt.end();
    const failures = (this.#failures ??= new Failures(this.#order, this.#spec, this.#onEnd));
    try {
      await failures.add(attempt, thrown, this.#signal);
    } catch (error) {
      return this.giveUp(error);
    }
    return this.tryNext(failures.next);
  }
}

/** The failed attempts of one call, and what follows from them. Made with the first one: few calls fail. */
class Failures {
  readonly errors: EndpointError[] = [];
  /** Whether the last attempt did not fail: its endpoint is proven to be ours, and is to be tried again without a guard. */
  isOurs = false;
  readonly #order: readonly Endpoint[];
  readonly #spec: RequestSpec;
  readonly #onEnd: OnEnd | undefined;
  /** Where in the order the next attempt is; at its end there is none. */
  #at = 0;

  constructor(order: readonly Endpoint[], spec: RequestSpec, onEnd: OnEnd | undefined) {
    this.#order = order;
    this.#spec = spec;
    this.#onEnd = onEnd;
  }

  /** The endpoint to try next; undefined if there is none. */
  get next(): Endpoint | undefined {
    return this.#order[this.#at];
  }

  /** Whether one of the failed attempts may have been applied. */
  get maybeApplied(): boolean {
    return unknownOf(this.errors).length > 0;
  }

  /** Takes note of what an attempt threw. Rejects with it if trying elsewhere cannot help, or with the signal's reason. */
  async add(attempt: Attempt, thrown: unknown, signal: AbortSignal): Promise<void> {
    const error = await attempt.failure(thrown);
    this.isOurs = error === undefined;
    if (this.isOurs) return;
    signal.throwIfAborted();
    if (!(error instanceof EndpointError)) throw errorAfter(unknownOf(this.errors), error);
    log.client("%s", error.message);
    this.errors.push(error);
    if (!mayGoOn(this.#spec, error)) {
      this.#onEnd?.(attempt.endpoint, false, this.#order[0]);
      this.#at = this.#order.length;
    } else if (this.#order.length > 1 || error.keptConnection !== true || this.errors.length > 1) {
      this.#at++;
    } // else there is no other endpoint: the same one once more, on a new connection
  }
}

/**
 * Whether the next endpoint may get the request after this failure.
 *
 * A one-shot write goes on only if it certainly was not applied. Another write goes on unless its first sending may still be
 * applied later, and so undo a newer write: with `resend` it goes on even then. Reads always go on.
 */
export function mayGoOn(spec: RequestSpec, error: EndpointError): boolean {
  if (changesNothing(spec)) return true;
  if (spec.oneShot !== true) return spec.resend === true || !mayComeLater(error);
  return error instanceof StrangerError ? error.proven || error.outcome === "notApplied" : nothingSent(error);
}

/** Refused, no such name, no TLS: no response, not even a redirect, and certainly not applied. */
function nothingSent(error: EndpointError): boolean {
  return error.outcome === "notApplied" && error.status === undefined;
}

/**
 * Whether a write that failed like this may still be applied, an arbitrary time later: a frozen server may thaw, and etcd may
 * commit a proposal that it has answered with 500. When a connection broke, or a proxy could not reach its server (502, 503),
 * it was applied by then, or never will be. A stranger does not apply it to our cluster.
 */
function mayComeLater(error: EndpointError): boolean {
  const { code, status = 0, outcome } = error;
  if (outcome === "notApplied" || error instanceof StrangerError) return false;
  return code === "ERR_HEADER_TIMEOUT" || (status >= 500 && status !== 502 && status !== 503);
}
