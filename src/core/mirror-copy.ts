import { UsageError } from "../util/errors.js";
import { Backoff } from "../util/backoff.js";
import { safeCallback } from "../util/callback.js";
import { noop } from "../util/deferred.js";
import { abortable, linkSignal, throwIfAborted } from "../util/signals.js";
import { requireIndex, requireSignal } from "../util/validate.js";
import type { KeysAPI } from "./keys.js";
import {
  changesBetween,
  removal,
  setting,
  UnreadChanges,
  type MirrorChange,
  type MirrorUpdate,
} from "./mirror-changes.js";
import { filesBelow } from "./files-below.js";
import type { NextListing } from "./mirror-list.js";
import type { LoadedCopy } from "./lazy-copy.js";
import type { MirrorOptions } from "./mirror-options.js";
import { MirrorReader } from "./mirror-reader.js";
import type { KeyNode, KeysAction, KeysResponse } from "./types.js";
import { isHiddenBelow } from "./watch-checks.js";

/** How long `waitFor` waits for an event before it reads again, in ms; twice as long each time, up to the second. */
const rereadMs = 1_000;
const maxRereadMs = 30_000;

/** The local copy behind a mirror: reads while a caller waits, and keeps changes until a caller takes them. */
export class MirrorCopy implements LoadedCopy<KeyNode, MirrorUpdate> {
  readonly #key: string;
  readonly #reader: MirrorReader;
  #files = new Map<string, KeyNode>();
  #index = 0;
  #isListed = false;
  /** What `take` has not returned yet: it grows no larger than the copy. */
  readonly #unread = new UnreadChanges<KeyNode>();
  /** One call pulls for all that wait. Settles when that pull is over; never rejects. */
  #pulling: Promise<void> | undefined;
  /** Ends the wait of that pull. */
  #interrupt: ((reason: unknown) => void) | undefined;
  #pending = false;

  /** For arguments that `requireMirror` has checked. Does no I/O. */
  constructor(keys: KeysAPI, key: string, options: MirrorOptions) {
    const { minRetryMs = 100, maxRetryMs = 10_000, onError } = options;
    this.#key = key;
    this.#reader = new MirrorReader({
      keys,
      key,
      minRetryMs,
      maxRetryMs: Math.max(minRetryMs, maxRetryMs),
      onError: safeCallback("options.onError", onError),
      isHeard: onError !== undefined,
    });
  }

  /** The files by key, without a copy. Another map after each list. */
  get files(): ReadonlyMap<string, KeyNode> {
    return this.#files;
  }

  /** etcd's index up to which the copy is complete; 0 before the first read. */
  get index(): number {
    return this.#index;
  }

  /** What was read since the last call, as one update. undefined if nothing has changed. */
  take(): MirrorUpdate | undefined {
    return this.#unread.take();
  }

  /** Waits for the next update. */
  next(signal: AbortSignal | undefined): Promise<MirrorUpdate> {
    return this.pull(() => this.take(), signal);
  }

  /**
   * Waits for what `take` finds. It is called first, and again after everything that was read. One caller at a time.
   *
   * @throws as `Mirror.next`
   */
  async pull<Update>(
    take: () => Update | undefined | Promise<Update | undefined>,
    signal: AbortSignal | undefined,
  ): Promise<Update> {
    requireSignal("signal", signal);
    throwIfAborted(signal);
    if (this.#pending) throw new UsageError("ERR_BUSY", "an earlier next() of this mirror is still waiting");
    this.#pending = true;
    try {
      for (;;) {
        const update = await take();
        if (update !== undefined) return update;
        await this.#advance(signal);
      }
    } finally {
      this.#pending = false;
    }
  }

  /** Waits until the copy is complete up to an index; see `Mirror.waitFor`. */
  async waitFor(index: number, signal?: AbortSignal): Promise<void> {
    requireIndex("index", index);
    requireSignal("signal", signal);
    throwIfAborted(signal);
    const pauses = new Backoff(rereadMs, maxRereadMs);
    while (this.#index < index || !this.#isListed) {
      const timer = setTimeout(() => {
        if (this.#reader.isWatching) this.resync();
      }, pauses.next());
      try {
        await this.#advance(signal);
      } finally {
        clearTimeout(timer);
      }
    }
  }

  /** Makes it read everything again: at once if a call is waiting, else with the next one. */
  resync(): void {
    this.#reader.resync();
    this.#interrupt?.(resynced);
  }

  /** Takes in one list or event; several calls that wait share the work. */
  #advance(signal: AbortSignal | undefined): Promise<void> {
    if (this.#pulling !== undefined) return abortable(this.#pulling, signal);
    const pull = this.#pull(signal);
    this.#pulling = pull.then(noop, noop);
    return pull;
  }

  async #pull(signal: AbortSignal | undefined): Promise<void> {
    const link = linkSignal(signal);
    this.#interrupt = link.abort;
    try {
      const read = await this.#reader.next(link.signal);
      if (read === undefined) return;
      if ("nodes" in read) await this.#replace(read);
      else this.#apply(read);
    } catch (error) {
      throwIfAborted(signal);
      if (error !== resynced) throw error;
    } finally {
      link.unlink();
      this.#interrupt = undefined;
      this.#pulling = undefined;
    }
  }

  /** Not ended by a signal: the reader goes on from this list. */
  async #replace({ index, nodes, startedOver }: NextListing): Promise<void> {
    const changes = await changesBetween(this.#files, nodes);
    this.#files = nodes;
    this.#index = index;
    this.#isListed = true;
    this.#unread.add({ kind: "list", changes, index, ...(startedOver && { startedOver }) });
  }

  /** Events that change no file, such as a new directory or a hidden name, make no update. */
  #apply(events: readonly KeysResponse[]): void {
    for (const event of events) {
      this.#index = event.node.modifiedIndex;
      const changes = this.#changesOf(event);
      if (changes.length > 0) this.#unread.add({ kind: "event", changes, index: this.#index });
    }
  }

  #changesOf({ action, node }: KeysResponse): readonly MirrorChange[] {
    const removes = removingActions.has(action);
    // a write to a directory, such as a new TTL, leaves what is below it; one that replaced a file ends that file
    const ends = removes || (node.dir && this.#files.has(node.key));
    const changes = (ends ? this.#take(node.key) : []).map((file) => removal(file, action));
    if (removes || node.dir || isHiddenBelow(node.key, this.#key)) return changes;
    const change = setting(node, this.#files.get(node.key), action);
    this.#files.set(node.key, node);
    return [...changes, change];
  }

  /** Takes out the file of that key, or all below it: the removal of a directory, or of one above ours, is one event under its key. */
  #take(key: string): readonly KeyNode[] {
    const file = this.#files.get(key);
    const taken = file !== undefined ? [file] : filesBelow(this.#files, key);
    for (const node of taken) this.#files.delete(node.key);
    return taken;
  }
}

const removingActions: ReadonlySet<KeysAction> = new Set(["delete", "expire", "compareAndDelete"]);

/** Why the wait of a pull ended: everything is read again. */
const resynced = Symbol("resynced");
