import { isKeyNotFound, UsageError, type KeysAPI } from "../core/index.js";
import { Backoff } from "../util/backoff.js";
import { log } from "../util/log.js";
import { linkSignal, onAbort, sleep, type Link } from "../util/signals.js";
import {
  badArgument,
  requireFunction,
  requireMs,
  requireOptions,
  requireSignal,
  requireText,
  requireTtl,
} from "../util/validate.js";
import { deleteWithin } from "./delete-within.js";

export type KeepAliveMode = "refresh" | "set";
/** `degraded`: it was written, and the last beat failed; the key may have expired. */
export type KeepAliveState = "registered" | "degraded";

export interface KeepAliveOptions {
  /** Seconds. */
  readonly ttl: number;
  /** Between two beats, in ms, counted from when the last good one was sent; at random up to a tenth shorter. @default a third of the ttl */
  readonly beatMs?: number | undefined;
  /** `refresh` wakes no watcher and keeps `createdIndex`; falls back to `set` on servers that do not know it. @default "refresh" */
  readonly mode?: KeepAliveMode | undefined;
  /** Pause after a write that failed, in ms; at random up to half shorter. @default 1000 */
  readonly retryMs?: number | undefined;
  /** Told of each change of state, the first "registered" included. What it throws is logged and dropped. */
  readonly onState?: ((state: KeepAliveState) => void) | undefined;
  /** Told of each write that failed and is tried again. What it throws is logged and dropped. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Ends it as `close` does. */
  readonly signal?: AbortSignal | undefined;
}

const closeTimeoutMs = 2_000;

/**
 * Keeps one key with a TTL alive: writes it at once, beats, tries for ever, and deletes the key when it ends. All its
 * writes come from one loop, so none overtakes another, and the delete is the last.
 */
export class KeptKey implements AsyncDisposable {
  readonly key: string;
  /** Resolves with the first successful write; rejects with the abort reason, or a `UsageError` `ERR_CLOSED`, if it ended before. */
  readonly written: Promise<void>;
  /** Resolves when all is over, the delete included: to undefined after `close` or an abort, or to the error: a closed client, a delete that failed. */
  readonly closed: Promise<unknown>;
  readonly #keys: KeysAPI;
  readonly #options: KeepAliveOptions & { readonly beatMs: number };
  readonly #backoff: Backoff;
  /** Aborted when it ends, with what those who wait are told. */
  readonly #ending = linkSignal(undefined);
  /** For the requests of the loop, which may outlive `#ending` for a while. */
  readonly #requests = linkSignal(undefined);
  readonly #unfollow: () => void;
  #waiters: readonly Waiter[] = [];
  #nap: Link | undefined;
  /** A value came since the last write began: no pause then, whether or not one has begun. */
  #hurried = false;
  #patience: NodeJS.Timeout | undefined;
  #value: string;
  /** Counts the values given; `#writtenVersion` is that of the last one written. */
  #version = 1;
  #writtenVersion = 0;
  #mode: KeepAliveMode;
  #state: KeepAliveState | undefined;
  #sent = false;
  #inFlight: KeepAliveMode | undefined;
  #lastBeat = 0;
  #deletion: Promise<void>;
  #deletionFailed = false;

  /** Starts at once. @throws {UsageError} for bad arguments */
  constructor(keys: KeysAPI, key: string, value: string, options: KeepAliveOptions) {
    requireOptions("options", options, keepAliveOptionNames);
    requireTtl("options.ttl", options.ttl);
    const { ttl, beatMs = (ttl * 1_000) / 3, mode = "refresh", retryMs = 1_000, signal } = options;
    requireMs("options.beatMs", beatMs);
    requireMs("options.retryMs", retryMs);
    if (!["refresh", "set"].includes(mode)) badArgument('options.mode must be "refresh" or "set"');
    requireFunction("options.onState", options.onState);
    requireFunction("options.onError", options.onError);
    requireSignal("options.signal", signal);
    requireText("value", value);
    // checks the key
    keys.watcher(key);
    this.key = key;
    this.#keys = keys;
    this.#value = value;
    this.#mode = mode;
    this.#options = { ...options, beatMs };
    this.#backoff = new Backoff(retryMs, retryMs);
    this.written = this.#writtenAt(1);
    this.#unfollow = onAbort(signal, (reason) => {
      this.#end(reason);
    });
    const loop = this.#run();
    this.#deletion = loop.then(
      () => this.#delete(),
      () => this.#delete(),
    );
    this.closed = this.#ended(loop);
  }

  /** Writes another value, at once, after the write that may be under way; resolves when it, or a later one, is written. */
  async setValue(value: string): Promise<void> {
    requireText("value", value);
    if (this.#ending.signal.aborted) throw closedError(this.key);
    this.#value = value;
    this.#version++;
    this.#hurried = true;
    this.#nap?.abort(undefined);
    return this.#writtenAt(this.#version);
  }

  /**
   * Ends the beats, then deletes the key, with 2 s for each, whatever became of the caller's signal. Idempotent; after a
   * rejection it may be called again to try the delete again. A key that could not be deleted expires by its TTL.
   *
   * @throws {ClusterError | EtcdError | DiscoveryError} the key could not be deleted
   */
  async close(): Promise<void> {
    this.#end(closedError(this.key));
    if (this.#deletionFailed) this.#deletion = this.#delete();
    await this.#deletion;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    try {
      while (!this.#ending.signal.aborted) await this.#pause(await this.#step());
    } catch (error) {
      this.#end(error);
      throw error;
    } finally {
      this.#unfollow();
      clearTimeout(this.#patience);
      for (const { reject } of this.#waiters) reject(this.#ending.signal.reason);
      this.#waiters = [];
    }
  }

  /** One write; resolves to how long to pause then, in ms. */
  async #step(): Promise<number> {
    try {
      await this.#beat();
    } catch (error) {
      if (this.#ending.signal.aborted) return 0;
      // the client is closed: nothing will ever be written again
      if (error instanceof UsageError) throw error;
      log.discovery("keeping %s: %s", this.key, error instanceof Error ? error.message : "");
      guarded(() => this.#options.onError?.(error));
      if (this.#state !== undefined) this.#enter("degraded");
      return this.#backoff.next();
    }
    this.#backoff.reset();
    this.#enter("registered");
    return this.#lastBeat + this.#options.beatMs * (1 - Math.random() / 10) - performance.now();
  }

  async #beat(): Promise<void> {
    this.#hurried = false;
    const version = this.#version;
    const value = this.#value;
    const isNew = version !== this.#writtenVersion;
    if (this.#mode === "set" || isNew || !(await this.#refresh(value))) await this.#set(value);
    this.#writtenVersion = version;
    const done = this.#waiters.filter((waiter) => waiter.version <= version);
    this.#waiters = this.#waiters.filter((waiter) => waiter.version > version);
    for (const { resolve } of done) resolve();
  }

  /** Whether the key is there, and as we wrote it. */
  async #refresh(value: string): Promise<boolean> {
    try {
      const { node } = await this.#send("refresh", (signal) =>
        this.#keys.refresh(this.key, this.#options.ttl, { signal }),
      );
      if (node.value === value) return true;
      // servers before 2.3 take the empty value of a refresh for a new one
      this.#mode = "set";
      return false;
    } catch (error) {
      if (isKeyNotFound(error)) return false;
      throw error;
    }
  }

  async #set(value: string): Promise<void> {
    this.#ending.signal.throwIfAborted();
    this.#sent = true;
    await this.#send("set", (signal) => this.#keys.set(this.key, value, { ttl: this.#options.ttl, signal }));
  }

  async #send<T>(kind: KeepAliveMode, request: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const sentAt = performance.now();
    this.#inFlight = kind;
    try {
      const answer = await request(this.#requests.signal);
      this.#lastBeat = sentAt;
      return answer;
    } finally {
      this.#inFlight = undefined;
    }
  }

  async #pause(ms: number): Promise<void> {
    if (ms <= 0 || this.#hurried || this.#ending.signal.aborted) return;
    const nap = linkSignal(this.#ending.signal);
    this.#nap = nap;
    try {
      await sleep(ms, nap.signal);
    } catch {
      // a new value, or the end
    } finally {
      this.#nap = undefined;
      nap.unlink();
    }
  }

  /**
   * A set that is under way may be held up somewhere and applied after we gave it up, so it gets time to be answered
   * before the delete is sent. A refresh cannot bring the key back.
   */
  #end(reason: unknown): void {
    if (this.#ending.signal.aborted) return;
    const giveUp = (): void => {
      this.#requests.abort(reason);
    };
    if (this.#inFlight === "set") this.#patience = setTimeout(giveUp, closeTimeoutMs);
    this.#ending.abort(reason);
    if (this.#inFlight === "refresh") giveUp();
  }

  #writtenAt(version: number): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      this.#waiters = [...this.#waiters, { version, resolve, reject }];
    });
    promise.catch(() => undefined);
    return promise;
  }

  #enter(state: KeepAliveState): void {
    if (this.#state === state) return;
    this.#state = state;
    guarded(() => this.#options.onState?.(state));
  }

  async #delete(): Promise<void> {
    if (!this.#sent) return;
    try {
      this.#deletionFailed = false;
      await deleteWithin(this.#keys, this.key, closeTimeoutMs);
    } catch (error) {
      this.#deletionFailed = true;
      log.discovery(
        "%s could not be deleted, it will expire: %s",
        this.key,
        error instanceof Error ? error.message : "",
      );
      throw error;
    }
  }

  async #ended(loop: Promise<void>): Promise<unknown> {
    let ended: unknown;
    try {
      await loop;
    } catch (error) {
      ended = error;
    }
    try {
      await this.#deletion;
    } catch (error) {
      ended ??= error;
    }
    return ended;
  }
}

interface Waiter {
  readonly version: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

function guarded(handler: () => void): void {
  try {
    handler();
  } catch (error) {
    log.discovery("a handler threw: %s", error instanceof Error ? error.message : "");
  }
}

function closedError(key: string): UsageError {
  return new UsageError("ERR_CLOSED", `the registration of ${JSON.stringify(key)} is closed`);
}

const keepAliveOptionNames: ReadonlySet<string> = new Set<keyof KeepAliveOptions>([
  "ttl",
  "beatMs",
  "mode",
  "retryMs",
  "onState",
  "onError",
  "signal",
]);
