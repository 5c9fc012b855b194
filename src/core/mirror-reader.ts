import { EtcdError, EtcdErrorCode, isIndexCleared, ResponseError } from "../util/errors.js";
import { Backoff } from "../util/backoff.js";
import { diagnostics, trace } from "../util/diagnostics.js";
import { messageOf } from "../util/error-like.js";
import { log } from "../util/log.js";
import { retry } from "../util/retry.js";
import { sleep, throwIfAborted } from "../util/signals.js";
import { StalledWarning } from "../util/stalled-warning.js";
import { isTransient } from "../util/transient.js";
import type { KeysAPI } from "./keys.js";
import { listFiles, type Listing, type NextListing } from "./mirror-list.js";
import type { KeysResponse } from "./types.js";
import { isStartOver, startedOver } from "./watch-checks.js";
import type { Watcher } from "./watcher.js";

/** What a mirror reads, and how. */
export interface MirrorReaderOptions {
  readonly keys: KeysAPI;
  readonly key: string;
  readonly minRetryMs: number;
  readonly maxRetryMs: number;
  /** Called with every failure after which it goes on. Must not throw. */
  readonly onError: (error: unknown) => void;
  /** Whether `onError` reaches the user; if not, a process warning reports when the mirror is stuck. */
  readonly isHeard: boolean;
}

/** The shortest time between two lists because etcd's history ran out, in ms. */
const minListMs = 1_000;

/** A watch that waited this long, in ms, before its history was cleared has worked, even without an event. */
const steadyMs = 5_000;

/** Reads a subtree for a mirror: the list first, then events from its very index, and the list again where events were lost. */
export class MirrorReader {
  readonly #keys: KeysAPI;
  readonly #key: string;
  readonly #onError: (error: unknown) => void;
  readonly #stalled: StalledWarning;
  /** Between failures. */
  readonly #backoff: Backoff;
  /** Between lists, as long as no watch works in between. */
  readonly #listBackoff: Backoff;
  #watcher: Watcher | undefined;
  /** When the last list was complete, on the monotonic clock. */
  #listedMs = -Infinity;
  /** Goes up with each `resync`: a list that began before it does not count. */
  #resyncs = 0;
  /** Whether the watch since the last list has worked: cleared history is then read again at once. */
  #watchWorked = true;
  /** Whether the next list has to be read by quorum, and may be older than the last: `onError` knows. */
  #startedOver = false;
  /** Whether the store has started over since the last list. */
  #isNewStore = false;
  /** Of the last list that reported one. */
  #clusterId: string | undefined;
  /** Whether the subtree has been read at least once. */
  #isListed = false;
  /** Up to where everything was returned. */
  #index = 0;

  constructor({ keys, key, minRetryMs, maxRetryMs, onError, isHeard }: MirrorReaderOptions) {
    this.#keys = keys;
    this.#key = key;
    this.#onError = onError;
    this.#backoff = new Backoff(minRetryMs, maxRetryMs);
    this.#listBackoff = new Backoff(minRetryMs, maxRetryMs);
    const hint = "pass options.onError to handle this";
    this.#stalled = new StalledWarning({ owner: keys, what: `the mirror of ${key}`, hint, isHeard });
  }

  /** Whether `next` waits for an event, or would. */
  get isWatching(): boolean {
    return this.#watcher !== undefined;
  }

  /** Makes `next` read the list again. */
  resync(): void {
    this.#resyncs++;
    this.#watcher = undefined;
  }

  /** The list, or all events of the next index. undefined if events were lost: the next call reads the list. */
  async next(signal: AbortSignal): Promise<NextListing | readonly KeysResponse[] | undefined> {
    const watcher = this.#watcher;
    return watcher === undefined ? this.#list(signal) : this.#events(watcher, signal);
  }

  async #events(watcher: Watcher, signal: AbortSignal): Promise<readonly KeysResponse[] | undefined> {
    const sinceMs = performance.now();
    try {
      const event = await this.#retry(() => watcher.next(signal), signal);
      this.#watchWorked = true;
      this.#index = event.node.modifiedIndex;
      return [event, ...watcher.rest()];
    } catch (error) {
      throwIfAborted(signal);
      if (!isIndexCleared(error)) throw error;
      this.#watcher = undefined;
      this.#startedOver = isStartedOver(error);
      this.#isNewStore ||= isStartOver(error);
      this.#report(error);
      // one that waited for long did work: a directory in which little happens
      const works = this.#watchWorked || performance.now() - sinceMs > steadyMs;
      if (works) this.#listBackoff.reset();
      const pauseMs = works ? 0 : this.#listBackoff.next();
      // where more is written than one can follow, reading everything still oftener would only add to the load
      const lastedMs = performance.now() - this.#listedMs;
      await sleep(Math.max(pauseMs, this.#startedOver ? 0 : minListMs - lastedMs), signal);
      return undefined;
    }
  }

  /**
   * Reads everything. A read that is older than what is known (of a member that lags) is repeated by quorum: only the
   * whole cluster can go back.
   */
  async #list(signal: AbortSignal): Promise<NextListing> {
    if (!this.#isListed) this.#stalled.start();
    const resyncs = this.#resyncs;
    let listing = await this.#read(signal, this.#startedOver || undefined);
    if (listing.index < this.#index && !this.#startedOver) listing = await this.#read(signal, true);
    const { index, clusterId = this.#clusterId } = listing;
    const isOther = this.#clusterId !== undefined && clusterId !== this.#clusterId;
    const startsOver = this.#isNewStore || isOther || index < this.#index;
    if (index < this.#index && !this.#startedOver)
      this.#report(startedOver(`the index went back from ${String(this.#index)} to ${String(index)}`, index));
    this.#index = index;
    this.#clusterId = clusterId;
    this.#isNewStore = false;
    this.#isListed = true;
    this.#listedMs = performance.now();
    this.#startedOver = false;
    this.#watchWorked = false;
    if (resyncs === this.#resyncs)
      this.#watcher = this.#keys.watcher(this.#key, {
        recursive: true,
        afterIndex: index,
        clusterId: listing.clusterId,
      });
    return { ...listing, startedOver: startsOver };
  }

  #read(signal: AbortSignal, quorum: boolean | undefined): Promise<Listing> {
    return trace(
      diagnostics().list,
      { key: this.#key, again: this.#isListed },
      () => this.#retry(() => listFiles(this.#keys, this.#key, quorum, signal), signal),
      (message, { index }) => (message.index = index),
    );
  }

  #retry<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return retry(attempt, {
      signal,
      backoff: this.#backoff,
      isTransient: (error) => isTransient(error) && (this.#isListed || !isWrongServer(error)),
      onFailure: (error) => {
        this.#report(error);
      },
      stalled: this.#stalled,
    });
  }

  #report(error: unknown): void {
    log.watch("mirror of %s: %s", this.#key, messageOf(error));
    this.#onError(error);
  }
}

/** Before anything was read, such a response shows a wrong URL, or a server without the v2 API. Later it is a proxy's, and passes. */
function isWrongServer(error: unknown): boolean {
  if (!(error instanceof ResponseError || error instanceof EtcdError)) return false;
  return error.status === 403 || error.status === 404 || error.status < 400;
}

function isStartedOver(error: unknown): boolean {
  return error instanceof EtcdError && error.errorCode === EtcdErrorCode.watcherCleared;
}
