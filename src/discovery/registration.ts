import { UsageError } from "../core/index.js";
import { abortable, linkSignal, onAbort, type Link } from "../util/signals.js";
import { requireOptions, requireSignal, requireText } from "../util/validate.js";
import { DiscoveryError } from "./errors.js";
import { decodeHost, type Host } from "./host.js";
import { Latest } from "./latest.js";

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** `pending`: not written yet; `degraded`: written, but the last heartbeat failed; `closed`: over. */
export type RegistrationState = "pending" | "registered" | "degraded" | "closed";

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
}

/** A host that is kept registered until it is closed. */
export interface Registration extends AsyncDisposable {
  readonly uuid: string;
  /** As it is stored now, with the credentials that hold now. */
  readonly host: Host;
  readonly state: RegistrationState;
  /** Whether it was registered; stays true through outages, until it is closed. */
  ready(): boolean;
  /**
   * Resolves when it is registered.
   *
   * @throws {DiscoveryError} `REGISTRATION_TIMEOUT`
   * @throws {UsageError} `ERR_CLOSED`: it was closed before
   * Rejects with `signal.reason` when aborted, this signal or the registration's own.
   */
  waitRegistration(options?: WaitOptions): Promise<void>;
  /** What the service's users must use now; both "" for a private service. @throws {DiscoveryError} `NOT_READY` */
  credentials(): Credentials;
  /** Each change of the credentials from now on; a slow reader gets the latest. Ends normally, by abort and with the registration. */
  credentialChanges(options?: WaitOptions): AsyncIterable<Credentials>;
  /** Each change of `state` from now on; a slow reader gets the latest. Ends normally, by abort and with the registration. */
  stateChanges(options?: WaitOptions): AsyncIterable<RegistrationState>;
  /** Ends it and deletes the host's key; never rejects. Idempotent. */
  close(): Promise<void>;
  /** The same as `close`. */
  stop(): Promise<void>;
  /** Resolves when all is over, to the error that ended it, or undefined. */
  readonly closed: Promise<unknown>;
}

/** What the loop of a registration tells it. */
export interface RegistrationSink {
  /** The first call makes it ready. */
  update(credentials: Credentials, host?: Host): void;
  state(state: "registered" | "degraded"): void;
}

export interface RegistrationSpec {
  readonly uuid: string;
  readonly host: Host;
  readonly signal: AbortSignal | undefined;
  /** Keeps it registered until the signal aborts; rejects when it cannot. */
  readonly run: (sink: RegistrationSink, signal: AbortSignal) => Promise<void>;
}

/** The handle; what it stands for is done by `run`. */
export class LiveRegistration implements Registration {
  readonly uuid: string;
  readonly closed: Promise<unknown>;
  readonly #ready: Promise<void>;
  readonly #ending: Link;
  readonly #state = new Latest<RegistrationState>("pending");
  readonly #credentials = new Latest<Credentials | undefined>(undefined);
  #host: Host;

  constructor(spec: RegistrationSpec) {
    const { uuid, host, signal, run } = spec;
    this.uuid = uuid;
    this.#host = host;
    const link = linkSignal(signal);
    this.#ending = link;
    let settle: { readonly resolve: () => void; readonly reject: (reason: unknown) => void } | undefined;
    this.#ready = new Promise<void>((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.#ready.catch(() => undefined);
    const sink: RegistrationSink = {
      update: ({ user, password }, now) => {
        this.#host = now ?? this.#host;
        this.#credentials.set({ user, password });
        settle?.resolve();
      },
      state: (state) => {
        this.#state.set(state);
      },
    };
    this.closed = this.#live(
      () => run(sink, link.signal),
      (reason) => settle?.reject(reason),
    );
  }

  get host(): Host {
    return this.#host;
  }

  get state(): RegistrationState {
    return this.#state.value;
  }

  ready(): boolean {
    return this.#credentials.value !== undefined && !this.#ending.signal.aborted;
  }

  async waitRegistration(options: WaitOptions = {}): Promise<void> {
    const { signal } = checked(options);
    await (signal === undefined ? this.#ready : abortable(this.#ready, signal));
  }

  credentials(): Credentials {
    const credentials = this.#credentials.value;
    if (credentials === undefined)
      throw new DiscoveryError("NOT_READY", `host ${JSON.stringify(this.uuid)} is not registered yet`);
    return { ...credentials };
  }

  credentialChanges(options: WaitOptions = {}): AsyncIterable<Credentials> {
    return copies(this.#credentials.changes(checked(options).signal));
  }

  stateChanges(options: WaitOptions = {}): AsyncIterable<RegistrationState> {
    return this.#state.changes(checked(options).signal);
  }

  async close(): Promise<void> {
    this.#ending.abort(this.#closedError());
    await this.closed;
  }

  stop(): Promise<void> {
    return this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Runs until it ends; resolves to the error that ended it. */
  async #live(run: () => Promise<void>, fail: (reason: unknown) => void): Promise<unknown> {
    const { signal } = this.#ending;
    let ended: unknown;
    try {
      signal.throwIfAborted();
      await run();
    } catch (error) {
      if (!signal.aborted) ended = error;
      this.#ending.abort(error);
    } finally {
      this.#ending.unlink();
    }
    if (!signal.aborted) this.#ending.abort(this.#closedError());
    fail(signal.reason);
    this.#state.set("closed");
    this.#state.end();
    this.#credentials.end();
    return ended;
  }

  #closedError(): UsageError {
    return new UsageError("ERR_CLOSED", `the registration of ${JSON.stringify(this.uuid)} is closed`);
  }
}

/** For tests: a registration without etcd, which is ready, and changes, with the credentials that the source gives. */
export function createRegistration(
  uuid: string,
  credentialSource: AsyncIterable<Credentials>,
  options: WaitOptions = {},
): Registration {
  requireText("uuid", uuid);
  const { signal } = checked(options);
  const run = async (sink: RegistrationSink, ending: AbortSignal): Promise<void> => {
    const source = credentialSource[Symbol.asyncIterator]();
    for (;;) {
      const next = await abortable(source.next(), ending);
      if (next.done === true) return aborted(ending);
      sink.update(next.value);
      sink.state("registered");
    }
  };
  return new LiveRegistration({ uuid, host: decodeHost(uuid, JSON.stringify({ uuid })), signal, run });
}

/** Rejects with the signal's reason. */
export function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    onAbort(signal, reject);
  });
}

async function* copies(changes: AsyncIterable<Credentials | undefined>): AsyncGenerator<Credentials, void, undefined> {
  for await (const credentials of changes) {
    if (credentials !== undefined) yield { ...credentials };
  }
}

function checked(options: WaitOptions): WaitOptions {
  requireOptions("options", options, waitOptionNames);
  requireSignal("options.signal", options.signal);
  return options;
}

const waitOptionNames: ReadonlySet<string> = new Set<keyof WaitOptions>(["signal"]);
