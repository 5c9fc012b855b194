/** A request as a plain value: what to ask, of whichever endpoint it will be. */
export interface RequestSpec {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Absolute and percent-encoded; an endpoint's base path goes before it. */
  readonly path: string;
  /** Form-encoded, in alphabetical order, without the question mark. */
  readonly query?: string | undefined;
  /** Names in lower case. The client adds `authorization` where it may be sent. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
  /** A body that need not be text, in place of `body`. */
  readonly bytes?: Uint8Array | undefined;
  /** What curl lines show in place of a body that holds a password. Such a request follows no redirect to a host that is not an endpoint. */
  readonly maskedBody?: string | undefined;
  /** Sending it twice could mean something else than once: it goes on to another endpoint only when it certainly was not applied. */
  readonly oneShot?: boolean | undefined;
  /** It holds a `prevValue`. etcd's refusal quotes both that and the stored value, so errors withhold it. */
  readonly comparesValue?: boolean | undefined;
  /** The answer comes when something happens: no header limit, and a poll that ends early is not a failure (see {@link RawResponse.truncated}). */
  readonly longPoll?: boolean | undefined;
  /** A long poll whose answer is the same for all who ask: the client asks once for several callers, if path and query are all that they say. */
  readonly shared?: boolean | undefined;
  /** How long to wait. The client lowers it to its own limits; from the client on, absent means no limit. */
  readonly limits?: RequestLimits | undefined;
  /** Told status and headers as soon as they are there, even if no body ever follows. */
  readonly onHeaders?: ((head: ResponseHead) => void) | undefined;
}

export interface RequestLimits {
  /** From sending, connecting included, to the headers; in ms, `Infinity` for none. Of long polls: does not apply. */
  readonly headersMs: number;
  /** Longest silence inside a body; of a long poll, longest silence at all. In ms, `Infinity` for none. */
  readonly idleMs: number;
}

export interface ResponseHead {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** An answer as a plain value. */
export interface RawResponse extends ResponseHead {
  readonly body: string;
  /** Who answered, for messages; set by the client. */
  readonly endpoint?: string | undefined;
  /** An endpoint that was asked before this one may have applied the write; set by the client. */
  readonly maybeApplied?: boolean | undefined;
  /**
   * A long poll that ended before its answer was whole: the connection was lost after good headers, or it was silent
   * for `limits.idleMs`. Nothing was lost, the same question may be asked again; `body` is to be ignored.
   */
  readonly truncated?: boolean | undefined;
}

/**
 * One request to one server, and its answer, whatever its status: no retry, no redirect, no status that is an error.
 *
 * Rejects with `signal.reason` when aborted, and with an `EndpointError` whose `outcome` is `notApplied` only if the
 * server certainly did not get the request; any other rejection counts as an `EndpointError` of unknown outcome.
 * Write `spec.headers` and `spec.body` (or `spec.bytes`) as they are, keep `spec.limits`, call `spec.onHeaders`, and
 * answer a long poll that ended early with `truncated`.
 */
export interface Exchange {
  (url: URL, spec: RequestSpec, signal: AbortSignal | undefined): Promise<RawResponse>;
  /** Lets go of idle sockets; called by `Client.close()`. */
  close?(): void | Promise<void>;
  /**
   * It takes off the signal whatever it added to it when a request is over, rejects as soon as the signal aborts, and can be
   * given one signal for many requests.
   * Absent: each request gets a signal of its own, which costs a little.
   */
  readonly sharesSignals?: boolean | undefined;
}

/** What the APIs stand on: sends a spec to a cluster. `Client` is one. */
export interface Sender {
  /** Rejects with `signal.reason`, `UsageError` or `ClusterError`; answers below 500 are resolved with, whatever they say. */
  send(spec: RequestSpec, signal?: AbortSignal): Promise<RawResponse>;
  /** What `quorum` of a read is when it is not said. Absent means false. */
  readonly quorumReads?: boolean | undefined;
}
