import type {
  ConnectionHold,
  Exchange,
  RawResponse,
  RequestLimits,
  RequestSpec,
  ResponseHead,
} from "../../http/exchange.js";
import { networkError } from "../../http/network-error.js";
import { isRedirect, type FollowRedirect } from "../../http/redirects.js";
import { requireResponse } from "../../http/require-response.js";
import { SdkError } from "../../util/errors.js";
import { diagnostics, isTraced, trace } from "../../util/diagnostics.js";
import { isProgramError } from "../../util/program-error.js";
import { linkSignal, type Link } from "../../util/signals.js";
import { serverError } from "../wire/response.js";
import type { ClusterIdentity } from "./cluster-identity.js";
import { requestUrl, type Endpoint } from "./endpoint.js";
import { ForeignPoll, isWorthChecking, requireOurs } from "./stranger.js";

/** What all attempts of a client share. */
export interface AttemptOptions {
  /** For requests that are not long polls. */
  readonly requestLimits: RequestLimits;
  readonly pollLimits: RequestLimits;
  /** The `authorization` header. Absent: none is sent. */
  readonly authorization?: string | undefined;
}

/** How a client sends requests to one of its endpoints. */
export interface Attempts extends AttemptOptions {
  readonly exchange: Exchange;
  /** Follows redirects. Absent: the exchange does so itself. */
  readonly follow?: FollowRedirect | undefined;
  /** Refuses responses of another cluster. Absent: all are accepted. */
  readonly identity?: ClusterIdentity | undefined;
}

/** Follows one call on its way to its endpoints. An object, since closures would cost each pending poll twice as much. */
export interface CallFollower {
  /** Called in place of the request's own `onHeaders`. Absent: that is called. */
  onHeaders?(head: ResponseHead, connection?: ConnectionHold): unknown;
  /** The call is over, however it ended: called before anybody else hears of it. */
  onOver(): void;
}

/**
 * One request to one endpoint, with the redirects to which that leads. It guards a long poll that another cluster may hold:
 * its headers come at once, its body perhaps never.
 */
export class Attempt {
  readonly endpoint: Endpoint;
  readonly #attempts: Attempts;
  readonly #spec: RequestSpec;
  readonly #signal: AbortSignal;
  readonly #follower: CallFollower | undefined;
  readonly #isGuarded: boolean;
  /** Ends a guarded poll while the cluster's id is not certain. Once it is, no poll has to be ended from outside: each would cost a signal. */
  readonly #link: Link | undefined;

  /** @param isOurs whether the endpoint is proven to belong to the cluster, so that it needs no guard */
  constructor(
    attempts: Attempts,
    endpoint: Endpoint,
    spec: RequestSpec,
    signal: AbortSignal,
    follower?: CallFollower,
    isOurs = false,
  ) {
    this.#attempts = attempts;
    this.endpoint = endpoint;
    this.#spec = spec;
    this.#signal = signal;
    this.#follower = follower;
    const { identity } = attempts;
    this.#isGuarded = identity !== undefined && spec.longPoll === true && !isOurs;
    this.#link = this.#isGuarded && identity?.isCertain === false ? linkSignal(signal) : undefined;
  }

  /**
   * Sends it. What this rejects with, {@link failure} explains; what it resolves to, {@link accept} checks.
   *
   * @param traced whether somebody subscribes to attempts
   */
  send(traced = isTraced(diagnostics().attempt)): Promise<RawResponse> {
    if (traced) return this.#sendTraced();
    try {
      return this.#attempts.exchange(requestUrl(this.endpoint, this.#spec), this.#sent(), this.#ending);
    } catch (error) {
      // a protocol of the user's need not be async
      return Promise.reject(error);
    }
  }

  /**
   * Follows a redirect, and checks the response. A promise only if there is one to follow, or if the other endpoints have to
   * be asked whose the response is.
   *
   * @throws {EndpointError} the status is 500 or above, or it belongs to another cluster
   * @throws {UsageError} the transport resolved to something else
   * Rejects with the signal's reason when aborted.
   */
  accept(received: RawResponse): RawResponse | Promise<RawResponse> {
    requireResponse(received);
    const { follow } = this.#attempts;
    if (follow === undefined || !isRedirect(received)) return this.#check(received);
    return follow(received, requestUrl(this.endpoint, this.#spec), this.#sent(), this.#ending).then((raw) => {
      requireResponse(raw);
      return this.#check(raw);
    });
  }

  /**
   * Why it failed, for what {@link send} or {@link accept} threw: an `EndpointError`, unless trying elsewhere cannot help.
   * undefined if a guard took the endpoint for another cluster's, but it is ours: the same request is to be sent again,
   * without a guard. Rejects with the signal's reason when aborted.
   */
  async failure(thrown: unknown): Promise<unknown> {
    const { identity } = this.#attempts;
    this.#signal.throwIfAborted();
    // the guard ends polls of another cluster
    if (this.#ending.aborted) return this.#ending.reason;
    if (!(thrown instanceof ForeignPoll)) return failureOf(this.endpoint, this.#spec, thrown);
    try {
      if (identity !== undefined) await requireOurs(identity, this.endpoint, this.#spec, thrown.head, this.#signal);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /** To be called when it has succeeded or failed. */
  end(): void {
    this.#link?.unlink();
  }

  /** Ends the request when it aborts: the caller's signal, or one of its own that follows it. */
  get #ending(): AbortSignal {
    return this.#link?.signal ?? this.#signal;
  }

  #sent(): RequestSpec {
    const spec = this.#spec;
    const { requestLimits, pollLimits, authorization } = this.#attempts;
    const limits = tighter(spec.longPoll === true ? pollLimits : requestLimits, spec.limits);
    const headers = authorization === undefined ? spec.headers : { ...spec.headers, authorization };
    const onHeaders = this.#isGuarded || this.#follower?.onHeaders !== undefined ? this.#headersHook() : spec.onHeaders;
    return sentSpec(spec, headers, limits, onHeaders);
  }

  /** A function of its own: what a closure refers to is kept with everything else that its function has. */
  #headersHook(): RequestSpec["onHeaders"] {
    return (head, connection) => this.#onHeaders(head, connection);
  }

  #onHeaders(head: ResponseHead, connection: ConnectionHold | undefined): unknown {
    const { identity } = this.#attempts;
    const link = this.#link;
    if (this.#isGuarded && identity?.isForeign(head) === true) throw new ForeignPoll(head);
    const until: unknown =
      this.#follower?.onHeaders === undefined
        ? this.#spec.onHeaders?.(head, connection)
        : this.#follower.onHeaders(head, connection);
    if (link !== undefined && identity?.isDoubtful === true && isWorthChecking(head, this.#spec)) {
      requireOurs(identity, this.endpoint, this.#spec, head, link.signal).catch(link.abort);
    }
    return until;
  }

  #check(received: RawResponse): RawResponse | Promise<RawResponse> {
    const { identity, authorization } = this.#attempts;
    const raw = from(this.endpoint, authorization !== undefined, received);
    const isDoubted =
      identity !== undefined && (identity.isForeign(raw) || (isWorthChecking(raw, this.#spec) && identity.isDoubtful));
    if (!isDoubted) return below500(raw, this.#spec, this.endpoint);
    return requireOurs(identity, this.endpoint, this.#spec, raw, this.#signal).then(() =>
      below500(raw, this.#spec, this.endpoint),
    );
  }

  #sendTraced(): Promise<RawResponse> {
    const { method, path, call } = this.#spec;
    return trace(
      diagnostics().attempt,
      { endpoint: this.endpoint.label, method, path, kind: call?.kind },
      () => this.#sendAndAccept(),
      (message, { status }) => (message.status = status),
    );
  }

  /** The whole attempt, for subscribers that trace it: they see one operation, and its error is the one that the call hears of. */
  async #sendAndAccept(): Promise<RawResponse> {
    try {
      return await this.accept(await this.send(false));
    } catch (thrown) {
      const error = await this.failure(thrown);
      if (error !== undefined) throw error;
      const again = new Attempt(this.#attempts, this.endpoint, this.#spec, this.#signal, this.#follower, true);
      return again.#sendAndAccept();
    }
  }
}

/** A custom transport may reject with anything, and what it had sent by then is unknown. */
function failureOf(endpoint: Endpoint, spec: RequestSpec, error: unknown): unknown {
  if (error instanceof SdkError || isProgramError(error)) return error;
  return networkError(requestUrl(endpoint, spec), spec, error, true);
}

function below500(raw: RawResponse, spec: RequestSpec, endpoint: Endpoint): RawResponse {
  if (raw.status >= 500 && spec.anyStatus !== true) throw serverError(raw, spec, endpoint.label);
  return raw;
}

type AllFields<T> = { readonly [Name in keyof Required<T>]: T[Name] };

/** The spec for the transport. Copied field by field: a spread costs more than everything else in a call (measured). */
function sentSpec(
  spec: RequestSpec,
  headers: RequestSpec["headers"],
  limits: RequestLimits,
  onHeaders: RequestSpec["onHeaders"],
): AllFields<Omit<RequestSpec, "shared" | "comparesValue" | "resend" | "retryForMs" | "endpoint" | "anyStatus">> {
  const { method, path, query, body, bytes, maskedBody, call, readOnly, oneShot, longPoll, onPart, note } = spec;
  // prettier-ignore
  return {
    method, path, query, headers, body, bytes, maskedBody, call, readOnly, oneShot, longPoll, limits, onHeaders, onPart, note,
  };
}

function from(endpoint: Endpoint, authenticated: boolean, raw: RawResponse): AllFields<RawResponse> {
  const { status, headers, body, maybeApplied, truncated } = raw;
  return { status, headers, body, endpoint: endpoint.label, authenticated, maybeApplied, truncated };
}

function tighter(ours: RequestLimits, asked: RequestLimits | undefined): RequestLimits {
  if (asked === undefined) return ours;
  return {
    headersMs: Math.min(ours.headersMs, asked.headersMs),
    idleMs: Math.min(ours.idleMs, asked.idleMs),
    bodyMs: lower(ours.bodyMs, asked.bodyMs),
    bodyBytes: lower(ours.bodyBytes, asked.bodyBytes),
  };
}

function lower(ours: number | undefined, asked: number | undefined): number | undefined {
  return ours === undefined || asked === undefined ? (ours ?? asked) : Math.min(ours, asked);
}
