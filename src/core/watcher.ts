import type { Sender } from "../http/exchange.js";
import { throwIfAborted } from "../util/signals.js";
import { requireSignal } from "../util/validate.js";
import { loadFor, loaded } from "./load.js";
import type { KeysResponse } from "./types.js";
import type { WatchLoop } from "./watch-loop.js";
import type { KeyAddress } from "./wire/keys.js";

/** What `KeysAPI.watcher` passes on, checked. */
export interface WatcherFields {
  readonly afterIndex: number;
  readonly recursive: boolean;
  /** "" if not known. */
  readonly clusterId: string;
}

/**
 * Delivers the changes of a key, or of all keys below it, in order, each exactly once. Made by `KeysAPI.watcher`. It
 * holds no resource between calls.
 *
 * @example
 * ```ts
 * const { index } = await keys.get("/config", { recursive: true });
 * for await (const { action, node } of keys.watcher("/config", { recursive: true, afterIndex: index })) {
 *   console.log(action, node.key, node.value);
 * }
 * ```
 */
export class Watcher {
  readonly #sender: Sender;
  readonly #at: KeyAddress;
  /** undefined once the loop has them. */
  #fields: WatcherFields | undefined;
  /** Made with the first call. */
  #loop: WatchLoop | undefined;

  /** @internal For `KeysAPI.watcher`, which checks the arguments. */
  constructor(sender: Sender, at: KeyAddress, fields: WatcherFields) {
    this.#sender = sender;
    this.#at = at;
    this.#fields = fields;
  }

  /**
   * Waits for the next event. A poll that ends without one (a proxy's timeout, a server that stops) is sent again from the
   * same index. Whatever it rejects with, nothing is skipped: the next call goes on where this one was.
   *
   * @throws {EtcdError} `isIndexCleared`: events may have been missed, and etcd cannot deliver them any more. It keeps
   * the last 1000 events of the whole store; a member that caught up by a snapshot has skipped some; a cluster that was
   * set up again or restored has none. Read the keys, then make a watcher with the `index` of that read as `afterIndex`
   * @throws {ClusterError} no endpoint answered
   * @throws {ResponseError} the response is not etcd's
   * @throws {UsageError} `ERR_BUSY`: an earlier `next` is still waiting; `ERR_CLOSED`: the client is closed
   * Rejects with `signal.reason` when aborted.
   */
  next(signal?: AbortSignal): Promise<KeysResponse> {
    // not async: that would keep half a kilobyte for each watcher that waits
    const loop = (this.#loop ??= this.#newLoop());
    return loop === undefined ? this.#loadAndWait(signal) : loop.next(signal);
  }

  /**
   * Takes out the events of the same index as the last one that `next` delivered, which it would deliver next. Empty with
   * etcd's v2 API; a transaction of the v3 API may change several keys at one index.
   */
  rest(): readonly KeysResponse[] {
    return this.#loop?.rest() ?? [];
  }

  /**
   * Calls `next` again and again. Ends by throwing what `next` rejects with; a new iteration, or `next`, goes on where
   * it was.
   */
  async *events(signal?: AbortSignal): AsyncGenerator<KeysResponse, void, undefined> {
    for (;;) yield this.next(signal);
  }

  /** The same as {@link events} without a signal. */
  [Symbol.asyncIterator](): AsyncGenerator<KeysResponse, void, undefined> {
    return this.events();
  }

  #newLoop(): WatchLoop | undefined {
    const parts = loaded();
    const fields = this.#fields;
    if (parts === undefined || fields === undefined) return undefined;
    this.#fields = undefined;
    return new parts.WatchLoop(this.#sender, this.#at, fields);
  }

  async #loadAndWait(signal: AbortSignal | undefined): Promise<KeysResponse> {
    requireSignal("signal", signal);
    throwIfAborted(signal);
    await loadFor(this.#sender, { signal });
    return this.next(signal);
  }
}
