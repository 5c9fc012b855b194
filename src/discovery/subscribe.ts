import type { KeyNode, MirrorChange, MirrorUpdate } from "../core/index.js";
import { deferred, noop } from "../util/deferred.js";
import { optional, requireFields, type Checks } from "../util/fields.js";
import { closedError } from "../util/handle.js";
import { Queue, type Unread } from "../util/queue.js";
import { onAbort } from "../util/signals.js";
import { requireBoolean, requireIndex, requireSignal } from "../util/validate.js";
import type { ChangeSource, Subscriber } from "./shared-mirror.js";

/** A file below a service's directory that was added, changed or removed. */
export type KeyEvent = MirrorChange;

/** How to subscribe. */
export interface SubscribeOptions {
  /** Ends the subscription; a waiting `next` and the iteration then throw its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Hand out what is there already, too. @default false */
  readonly includeExisting?: boolean | undefined;
  /** Hand out what was created after this index of etcd and is still there, too, such as the `index` of an earlier `ready`. What was removed meanwhile is not reported. */
  readonly afterIndex?: number | undefined;
}

/**
 * The changes of a service, from the call until it is closed. After an outage, after cleared history and after the
 * cluster has started over it reads again, and hands out the difference.
 *
 * Pull with `next(signal)`, or iterate; leaving the loop does not close it. The iteration ends quietly by `close()`, by
 * throwing the reason when the signal aborts, and by throwing the error if etcd refuses, such as for missing rights.
 */
export interface Subscription<T> extends AsyncIterable<T>, AsyncDisposable {
  /** Resolves when what is there has been read: to etcd's index, after which nothing is missed. Rejects if it ends before. */
  readonly ready: Promise<{ readonly index: number }>;
  /**
   * Waits for the next item.
   *
   * @throws {UsageError} `ERR_BUSY`: an earlier `next` is still waiting
   * Rejects with `signal.reason` when aborted; nothing is lost by that.
   */
  next(signal?: AbortSignal): Promise<IteratorResult<T, undefined>>;
  /** Drops what is unread and ends it. Idempotent. */
  close(): Promise<void>;
  /** Resolves, never rejects, when everything is over: to the error that ended it, to undefined after `close()` or an abort. */
  readonly closed: Promise<unknown>;
}

/** What a subscription delivers for a change. */
export interface Picked<T> {
  /** What to deliver; absent for nothing. */
  readonly item?: T;
  /** Whether to drop what is unread of the same key. @default false */
  readonly replaces?: boolean;
}

/** With more unread items than this, only the last one of each key is kept. */
const maxUnread = 1_000;

/** A subscription to a source of changes. */
export class LiveSubscription<T> implements Subscription<T> {
  readonly ready: Promise<{ readonly index: number }>;
  readonly #source: ChangeSource;
  readonly #pick: (change: MirrorChange) => Picked<T>;
  readonly #options: SubscribeOptions;
  readonly #subscriber: Subscriber;
  readonly #ending = new AbortController();
  readonly #unread = new UnreadItems<T>();
  readonly #queue: Queue<readonly PickedOf<T>[], T>;
  readonly #settle = deferred<{ readonly index: number }>();
  readonly #unlink: () => void;
  /** Whether the first list was taken in; until then updates wait in `#held`. */
  #began = false;
  #held: (() => void)[] = [];
  #index = 0;
  /** Our own first list, until the source has passed it. */
  #known: ReadonlyMap<string, KeyNode> | undefined;

  constructor(source: ChangeSource, pick: (change: MirrorChange) => Picked<T>, options: SubscribeOptions) {
    this.#source = source;
    this.#pick = pick;
    this.#options = options;
    this.ready = this.#settle.promise;
    // it need not be awaited
    this.ready.catch(noop);
    const late = source.listed;
    this.#subscriber = {
      update: (update, nodes) => {
        if (this.#began) this.#apply(update, nodes);
        else if (late)
          this.#held.push(() => {
            this.#apply(update, nodes);
          });
        else this.#begin(update);
      },
      fail: (error) => {
        this.#fail(error);
      },
    };
    this.#queue = new Queue("this subscription", {
      unread: this.#unread,
      signal: options.signal,
      release: () => this.#release(),
    });
    this.#unlink = onAbort(options.signal, (reason) => {
      this.#end(reason);
    });
    if (this.#queue.ended) return;
    source.join(this.#subscriber);
    if (late) void this.#listOwn();
  }

  get closed(): Promise<unknown> {
    return this.#queue.closed;
  }

  next(signal?: AbortSignal): Promise<IteratorResult<T, undefined>> {
    return this.#queue.next(signal);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const { done, value } = await this.#queue.next();
      if (done === true) return;
      yield value;
    }
  }

  close(): Promise<void> {
    this.#end(closedError("the subscription"));
    return this.#queue.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #listOwn(): Promise<void> {
    try {
      const list = await this.#source.list(this.#ending.signal);
      this.#begin(list);
      this.#known = new Map(list.changes.map(({ node }) => [node.key, node]));
      for (const apply of this.#held) apply();
      this.#held = [];
    } catch (error) {
      if (!this.#ending.signal.aborted) this.#fail(error);
    }
  }

  #begin({ index, changes }: MirrorUpdate): void {
    const { includeExisting = false, afterIndex = Infinity } = this.#options;
    this.#began = true;
    this.#index = index;
    this.#take(changes.filter(({ node }) => includeExisting || node.createdIndex > afterIndex));
    this.#settle.resolve({ index });
  }

  #apply(update: MirrorUpdate, nodes: ReadonlyMap<string, KeyNode>): void {
    // a list, unlike an event, may have a lower index: the cluster has started over
    if (this.#known !== undefined && update.kind === "event" && update.index <= this.#index) return;
    this.#take(this.#known !== undefined && update.kind === "list" ? difference(this.#known, nodes) : update.changes);
    this.#known = undefined;
  }

  #take(changes: readonly MirrorChange[]): void {
    const picked = changes.map((change) => ({ key: change.node.key, ...this.#pick(change) }));
    if (picked.length > 0) this.#queue.push(picked);
  }

  #fail(error: unknown): void {
    this.#end(error);
    this.#queue.fail(error);
  }

  #end(reason: unknown): void {
    this.#ending.abort(reason);
    this.#settle.reject(reason);
  }

  async #release(): Promise<void> {
    this.#unlink();
    await this.#source.leave(this.#subscriber);
  }
}

type PickedOf<T> = Picked<T> & { readonly key: string };

/** Keeps every item, in order; for a reader that is far behind, only the last item of each key. */
class UnreadItems<T> implements Unread<readonly PickedOf<T>[], T> {
  #items: { readonly key: string; readonly item: T }[] = [];

  add(picked: readonly PickedOf<T>[]): void {
    for (const { key, item, replaces = false } of picked) {
      if (replaces && this.#items.length > 0) this.#items = this.#items.filter((each) => each.key !== key);
      if (item !== undefined) this.#items.push({ key, item });
    }
    if (this.#items.length > maxUnread)
      this.#items = [...new Map(this.#items.map((each) => [each.key, each])).values()];
  }

  take(): { readonly value: T } | undefined {
    const next = this.#items.shift();
    return next && { value: next.item };
  }

  clear(): void {
    this.#items = [];
  }
}

/** @throws {UsageError} for bad options */
export function requireSubscribeOptions(options: SubscribeOptions): void {
  requireFields("options", options, subscribeChecks);
}

/** The changes that lead from one state to the other, as a mirror would have reported them. */
function difference(before: ReadonlyMap<string, KeyNode>, now: ReadonlyMap<string, KeyNode>): readonly MirrorChange[] {
  const changes: MirrorChange[] = [];
  for (const node of before.values()) if (!now.has(node.key)) changes.push({ type: "remove", node, action: "list" });
  for (const node of now.values()) {
    const prevNode = before.get(node.key);
    if (prevNode === undefined) changes.push({ type: "set", node, action: "list" });
    else if (prevNode.value !== node.value || prevNode.createdIndex !== node.createdIndex)
      changes.push({ type: "set", node, prevNode, action: "list" });
  }
  return changes;
}

const subscribeChecks: Checks<SubscribeOptions> = {
  signal: requireSignal,
  includeExisting: requireBoolean,
  afterIndex: optional(requireIndex),
};
