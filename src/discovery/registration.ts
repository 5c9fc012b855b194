import { noop } from "../util/deferred.js";
import { requireFields, type Checks } from "../util/fields.js";
import { Handle } from "../util/handle.js";
import { Latest } from "../util/latest.js";
import type { Reader } from "../util/queue.js";
import { abortable, rejectWhenAborted } from "../util/signals.js";
import { badArgument, requireSignal, requireText } from "../util/validate.js";
import { DiscoveryError } from "./errors.js";
import { readHost, type Host } from "./host.js";

/** What the users of a service authenticate with. */
export interface Credentials {
  /** "" for a private service. */
  readonly user: string;
  /** "" for a private service. */
  readonly password: string;
}

/**
 * - `pending`: not written yet
 * - `registered`: written, and the last heartbeat went well
 * - `degraded`: written, but the last heartbeat failed, or found that another process has taken the key over
 * - `closed`: over
 */
export type RegistrationState = "pending" | "registered" | "degraded" | "closed";

/** How to wait, or to follow changes. */
export interface WaitOptions {
  /** Ends the wait by rejecting with its reason, an iteration by throwing it. */
  readonly signal?: AbortSignal | undefined;
}

/** A host that is kept registered until it is closed. */
export interface Registration extends AsyncDisposable {
  /** The last segment of the host's key. */
  readonly uuid: string;
  /** The host as it is stored now, with the current credentials. */
  readonly host: Host;
  /** Its state now. */
  readonly state: RegistrationState;
  /** Whether it was registered; stays true through outages, until it is closed. */
  ready(): boolean;
  /**
   * Resolves when the host is registered.
   *
   * @throws {DiscoveryError} `ERR_REGISTRATION_TIMEOUT`
   * @throws {UsageError} `ERR_CLOSED`: it was closed before
   * Rejects with `signal.reason` when aborted, this signal or the registration's own.
   */
  waitRegistration(options?: WaitOptions): Promise<void>;
  /**
   * The credentials that users of the service must use now; both "" for a private service. @throws {DiscoveryError}
   * `ERR_NOT_READY`
   */
  credentials(): Credentials;
  /** Each change of the credentials from now on; a slow reader gets the latest. Ends with the registration, or by throwing the signal's reason. */
  credentialChanges(options?: WaitOptions): Reader<Credentials>;
  /** Each change of `state` from now on; a slow reader gets the latest. Ends with the registration, or by throwing the signal's reason. */
  stateChanges(options?: WaitOptions): Reader<RegistrationState>;
  /** Ends the heartbeats and deletes the host's key. Never rejects. Idempotent. */
  close(): Promise<void>;
  /** The same as {@link close}. */
  stop(): Promise<void>;
  /** Resolves, never rejects, when everything is over: to the error that ended it, to undefined after `close()` or an abort. */
  readonly closed: Promise<unknown>;
}

/** What the loop of a registration reports to its handle. */
export interface RegistrationSink {
  /** The first call makes the registration ready. */
  update(credentials: Credentials, host?: Host): void;
  /** A heartbeat went well, or failed. */
  state(state: "registered" | "degraded"): void;
}

/** What a {@link LiveRegistration} is made of. */
export interface RegistrationSpec {
  /** The last segment of the host's key. */
  readonly uuid: string;
  /** The host as it will be written. */
  readonly host: Host;
  /** Ends the registration when it aborts. */
  readonly signal: AbortSignal | undefined;
  /** Keeps the host registered until the signal aborts; rejects if it cannot. Starts after the caller has its handle. */
  readonly run: (sink: RegistrationSink, signal: AbortSignal) => Promise<void>;
}

/** The handle of a registration; `run` does the work. */
export class LiveRegistration implements Registration {
  readonly uuid: string;
  readonly #handle: Handle;
  readonly #state = new Latest<RegistrationState>("this reader of states", "pending");
  readonly #credentials = new Latest<Credentials>("this reader of credentials", { user: "", password: "" });
  #isReady = false;
  #host: Host;

  constructor({ uuid, host, signal, run }: RegistrationSpec) {
    this.uuid = uuid;
    this.#host = host;
    this.#handle = new Handle(`the registration of ${JSON.stringify(uuid)}`, {
      signal,
      run: (running) => {
        const sink: RegistrationSink = {
          update: ({ user, password }, now) => {
            this.#host = now ?? this.#host;
            this.#isReady = true;
            this.#credentials.set(Object.freeze({ user, password }));
            running.ready();
          },
          state: (state) => {
            this.#state.set(state);
          },
        };
        return run(sink, running.signal);
      },
      release: () => {
        this.#state.set("closed");
        this.#state.end();
        this.#credentials.end();
        return Promise.resolve();
      },
    });
  }

  get host(): Host {
    return this.#host;
  }

  get state(): RegistrationState {
    return this.#state.value;
  }

  get closed(): Promise<unknown> {
    return this.#handle.closed;
  }

  ready(): boolean {
    return this.#isReady && !this.#handle.signal.aborted;
  }

  async waitRegistration(options: WaitOptions = {}): Promise<void> {
    requireFields("options", options, waitChecks);
    await abortable(this.#handle.ready, options.signal);
  }

  credentials(): Credentials {
    if (!this.#isReady)
      throw new DiscoveryError("ERR_NOT_READY", `host ${JSON.stringify(this.uuid)} is not registered yet`);
    return this.#credentials.value;
  }

  credentialChanges(options: WaitOptions = {}): Reader<Credentials> {
    requireFields("options", options, waitChecks);
    return this.#credentials.changes(options.signal);
  }

  stateChanges(options: WaitOptions = {}): Reader<RegistrationState> {
    requireFields("options", options, waitChecks);
    return this.#state.changes(options.signal);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  stop(): Promise<void> {
    return this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * For tests: a registration without etcd. It is ready, and changes, with the credentials that the source yields.
 *
 * @throws {UsageError} for bad arguments
 */
export function createRegistration(
  uuid: string,
  credentialSource: AsyncIterable<Credentials>,
  options: WaitOptions = {},
): Registration {
  requireText("uuid", uuid);
  requireSource(credentialSource);
  requireFields("options", options, waitChecks);
  const run = async (sink: RegistrationSink, ending: AbortSignal): Promise<void> => {
    const source = credentialSource[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await abortable(source.next(), ending);
        if (next.done === true) return await rejectWhenAborted(ending);
        sink.update(next.value);
        sink.state("registered");
      }
    } finally {
      // not waited for: a source that hangs would hold us
      source.return?.().catch(noop);
    }
  };
  const host = readHost(uuid, JSON.stringify({ uuid }));
  return new LiveRegistration({ uuid, host, signal: options.signal, run });
}

function requireSource(source: unknown): void {
  if (typeof source === "object" && source !== null && Symbol.asyncIterator in source) return;
  badArgument("credentialSource must be an async iterable");
}

const waitChecks: Checks<WaitOptions> = { signal: requireSignal };
