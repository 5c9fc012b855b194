import { SdkError, UsageError, type KeysAPI } from "../core/index.js";
import { Backoff } from "../util/backoff.js";
import { bounded } from "../util/bounded.js";
import { safeCallback } from "../util/callback.js";
import { noop } from "../util/deferred.js";
import { messageOf } from "../util/error-like.js";
import { closedError, Handle } from "../util/handle.js";
import { log } from "../util/log.js";
import { linkSignal, onAbort, sleep, type Link } from "../util/signals.js";
import type { StalledWarning } from "../util/stalled-warning.js";
import { retryAfterOf } from "../util/transient.js";
import { requireText } from "../util/validate.js";
import { DiscoveryError } from "./errors.js";
import { requireKeptKeyOptions, type KeepAliveState, type KeptKeyOptions } from "./kept-key-options.js";
import { OwnedKey } from "./owned-key.js";

/** Time for the create that is under way, and time for the removal, in ms. */
const closeTimeoutMs = 2_000;
/** The pause after the first failure in a row, in ms: there may be an endpoint that responds. */
const firstRetryMs = 100;
/** A server as slow as this, in ms, is still given time to respond, however short the TTL. */
const slowServerMs = 2_000;

/**
 * Keeps one key with a TTL alive: writes it, renews it, goes on after failures, and removes it at the end. All requests
 * come from one loop, so none overtakes another, and the removal is the last.
 */
export class KeptKey implements AsyncDisposable {
  readonly key: string;
  /** Resolves with the first successful write. Rejects with the abort reason, or a `UsageError` `ERR_CLOSED`, if it ends before. */
  readonly written: Promise<void>;
  readonly #handle: Handle;
  readonly #what: string;
  readonly #owned: OwnedKey;
  readonly #onState: (state: KeepAliveState) => void;
  readonly #onError: (error: unknown) => void;
  readonly #stalled: StalledWarning | undefined;
  readonly #ttlMs: number;
  readonly #beatMs: number;
  readonly #backoff: Backoff;
  /** Longest wait for one endpoint, in ms; grows while none responds in time. */
  #limitMs: number;
  /** For the requests of the loop, which may outlive the handle's signal for a while. */
  readonly #requests = new AbortController();
  #waiters: readonly Waiter[] = [];
  #pausing: Link | undefined;
  /** A value arrived after the last write began: skip or cut short the next pause. */
  #hurried = false;
  #createTimer: NodeJS.Timeout | undefined;
  #value: string;
  /** Counts the values that were set; `#writtenVersion` is the count of the last one written. */
  #version = 1;
  #writtenVersion = 0;
  #state: KeepAliveState | undefined;
  #removalFailure: { readonly error: unknown } | undefined;

  /** Starts after the caller has it. @throws {UsageError} for bad arguments */
  constructor(keys: KeysAPI, key: string, value: string, options: KeptKeyOptions) {
    requireKeptKeyOptions(options);
    requireText("value", value);
    const { mode = "refresh", retryMs = 1_000, removal = "compare" } = options;
    const ttl = Math.ceil(options.ttlMs / 1_000);
    // checks the key
    keys.watcher(key);
    this.key = key;
    this.#what = `the registration of ${JSON.stringify(key)}`;
    this.#value = value;
    this.#onState = safeCallback("options.onState", options.onState);
    this.#onError = safeCallback("options.onError", options.onError);
    this.#stalled = options.stalled;
    this.#ttlMs = ttl * 1_000;
    this.#beatMs = options.beatMs ?? this.#ttlMs / 3;
    this.#limitMs = this.#firstLimitMs();
    this.#backoff = new Backoff(Math.min(firstRetryMs, retryMs), retryMs);
    const limited = keys.withLimits(() => ({ headersMs: this.#limitMs, idleMs: this.#limitMs }));
    const onConflict = safeCallback("options.onConflict", options.onConflict);
    this.#owned = new OwnedKey(limited, key, { ttl, mode, removal, onConflict });
    this.written = this.#writtenAt(1);
    this.#handle = new Handle(this.#what, {
      signal: options.signal,
      run: async ({ signal }) => {
        this.#stalled?.start();
        while (!signal.aborted) await this.#pause(await this.#step(signal), signal);
      },
      release: () => {
        this.#stalled?.end();
        return this.#remove();
      },
    });
    onAbort(this.#handle.signal, (reason) => {
      this.#end(reason);
    });
  }

  /** Resolves when everything is over, the removal included: to undefined after `close()` or an abort, else to the error, such as a closed client or a removal that failed. */
  get closed(): Promise<unknown> {
    return this.#handle.closed;
  }

  /**
   * Writes another value at once, after the write that may be under way, also over another process that has taken the
   * key. Resolves when it, or a later one, is written.
   *
   * @throws {UsageError} `ERR_CLOSED`
   * Rejects with the abort reason when it ends before.
   */
  async setValue(value: string): Promise<void> {
    requireText("value", value);
    if (this.#handle.signal.aborted) throw closedError(this.#what);
    this.#value = value;
    this.#version++;
    this.#hurried = true;
    this.#pausing?.abort(undefined);
    return this.#writtenAt(this.#version);
  }

  /**
   * Ends the heartbeats, then removes the key, with 2 s for each, whether or not the caller's signal has aborted.
   * Idempotent; after a rejection it may be called again to try the removal again. A key that could not be removed
   * expires.
   *
   * @throws {ClusterError | EtcdError | ResponseError | DiscoveryError} the key could not be removed
   */
  async close(): Promise<void> {
    const isAgain = this.#removalFailure !== undefined;
    await this.#handle.close();
    if (isAgain) await this.#remove();
    else if (this.#removalFailure !== undefined) throw this.#removalFailure.error;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One heartbeat; resolves to how long to pause after it, in ms. */
  async #step(ending: AbortSignal): Promise<number> {
    const sentMs = performance.now();
    let isOurs: boolean;
    try {
      isOurs = await this.#beat();
    } catch (error) {
      if (ending.aborted) return 0;
      // the client is closed, or this is a fault of the program: nothing will ever be written
      if (error instanceof UsageError || !(error instanceof SdkError)) throw error;
      this.#limitMs = Math.min(this.#limitMs * 2, Math.max(this.#ttlMs / 2, slowServerMs));
      log.discovery("keeping %s: %s", this.key, error.message);
      this.#stalled?.failed(error);
      this.#onError(error);
      if (this.#state !== undefined) this.#enter("degraded");
      return Math.max(this.#backoff.next(), retryAfterOf(error));
    }
    // a server that needs as long as the first limit keeps the longer one
    if (performance.now() - sentMs < this.#firstLimitMs()) this.#limitMs = this.#firstLimitMs();
    this.#stalled?.end();
    this.#backoff.reset();
    this.#enter(isOurs ? "registered" : "degraded");
    return sentMs + this.#beatMs * (1 - Math.random() / 10) - performance.now();
  }

  async #beat(): Promise<boolean> {
    this.#hurried = false;
    const version = this.#version;
    const isOurs = await this.#owned.keep(this.#value, version !== this.#writtenVersion, this.#requests.signal);
    if (!isOurs) return false;
    this.#writtenVersion = version;
    const done = this.#waiters.filter((waiter) => waiter.version <= version);
    this.#waiters = this.#waiters.filter((waiter) => waiter.version > version);
    for (const { resolve } of done) resolve();
    return true;
  }

  /** A heartbeat that meets an endpoint without a response must leave time for another one before the key expires. */
  #firstLimitMs(): number {
    const spareMs = Math.max(this.#ttlMs - this.#beatMs, this.#ttlMs / 10);
    return spareMs * 0.4;
  }

  async #pause(ms: number, ending: AbortSignal): Promise<void> {
    if (ms <= 0 || this.#hurried || ending.aborted) return;
    const pausing = linkSignal(ending);
    this.#pausing = pausing;
    try {
      await sleep(ms, pausing.signal);
    } catch {
      // a new value, or the end
    } finally {
      this.#pausing = undefined;
      pausing.unlink();
    }
  }

  /** Only a create can bring the key back after its removal: it gets time for its response. All other requests are aborted at once. */
  #end(reason: unknown): void {
    for (const { reject } of this.#waiters) reject(reason);
    this.#waiters = [];
    const giveUp = (): void => {
      this.#requests.abort(reason);
    };
    if (this.#owned.creating) this.#createTimer = setTimeout(giveUp, closeTimeoutMs);
    else giveUp();
  }

  #writtenAt(version: number): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      this.#waiters = [...this.#waiters, { version, resolve, reject }];
    });
    // it need not be awaited
    promise.catch(noop);
    return promise;
  }

  #enter(state: KeepAliveState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#onState(state);
  }

  async #remove(): Promise<void> {
    clearTimeout(this.#createTimer);
    const tooLate = (): DiscoveryError =>
      new DiscoveryError(
        "ERR_CLOSE_TIMEOUT",
        `etcd did not confirm within ${String(closeTimeoutMs)} ms that ${JSON.stringify(this.key)} is removed`,
      );
    try {
      this.#removalFailure = undefined;
      await bounded(closeTimeoutMs, undefined, tooLate, (signal) => this.#owned.remove(signal));
    } catch (error) {
      this.#removalFailure = { error };
      log.discovery("%s could not be removed, it will expire: %s", this.key, messageOf(error));
      throw error;
    }
  }
}

interface Waiter {
  readonly version: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}
