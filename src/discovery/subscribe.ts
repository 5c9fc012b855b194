import { UsageError, type KeyNode, type MirrorChange, type MirrorUpdate } from "../core/index.js";
import { linkSignal, onAbort } from "../util/signals.js";
import { requireBoolean, requireIndex, requireOptions, requireSignal } from "../util/validate.js";
import { Bell } from "./latest.js";
import type { Feed, FeedListener } from "./service-feed.js";

/** A file below a service's directory that came, changed or went. */
export type KeyEvent = MirrorChange;

export interface SubscribeOptions {
  /** Ends it as `close` does. */
  readonly signal?: AbortSignal | undefined;
  /** Hand out what is there already, too. @default false */
  readonly includeExisting?: boolean | undefined;
  /** Hand out what was made after this index of etcd and is still there, too; the `index` of an earlier `ready`, say. What went meanwhile is not told. */
  readonly afterIndex?: number | undefined;
}

/**
 * Changes of a service, from the moment it was made until it is closed; outages and cleared history are bridged by reading
 * again and handing out the difference. Iterating ends normally by `close` and by abort; it throws only what will not pass,
 * such as missing rights. Leaving the loop does not close it.
 */
export interface Subscription<T> extends AsyncIterable<T>, AsyncDisposable {
  /** Resolves when it has read what is there: to etcd's index, after which nothing is missed. Rejects when it ends before. */
  readonly ready: Promise<{ readonly index: number }>;
  /** Idempotent. */
  close(): Promise<void>;
  /** Resolves when all is over, to the error that ended it, or undefined. */
  readonly closed: Promise<unknown>;
}

/** What a subscription hands out for a change, undefined for nothing; `replaces` drops what is unread of the same key. */
export interface Picked<T> {
  readonly item?: T;
  readonly replaces?: boolean;
}

/** Above this many unread items, only the last one of each key is kept. */
const maxUnread = 1_000;

export class LiveSubscription<T> implements Subscription<T> {
  readonly ready: Promise<{ readonly index: number }>;
  readonly closed: Promise<unknown>;
  readonly #feed: Feed;
  readonly #pick: (change: MirrorChange) => Picked<T>;
  readonly #options: SubscribeOptions;
  readonly #listener: FeedListener;
  readonly #ending = linkSignal(undefined);
  readonly #bell = new Bell();
  readonly #settle = deferred<{ readonly index: number }>();
  readonly #over = deferred<unknown>();
  #unread: { readonly key: string; readonly item: T }[] = [];
  /** Whether the first list is ours; until then updates wait in `#held`. */
  #began = false;
  #held: (() => void)[] = [];
  #index = 0;
  /** Our own first list, until the feed has passed it. */
  #known: ReadonlyMap<string, KeyNode> | undefined;
  #error: unknown;

  constructor(feed: Feed, pick: (change: MirrorChange) => Picked<T>, options: SubscribeOptions) {
    this.#feed = feed;
    this.#pick = pick;
    this.#options = options;
    this.ready = this.#settle.promise;
    this.ready.catch(() => undefined);
    this.closed = this.#over.promise;
    const late = feed.listed;
    this.#listener = {
      update: (update, nodes) => {
        if (this.#began) this.#apply(update, nodes);
        else if (late)
          this.#held.push(() => {
            this.#apply(update, nodes);
          });
        else this.#begin(update);
      },
      fail: (error) => {
        this.#end(error, error);
      },
    };
    const off = onAbort(options.signal, (reason) => {
      this.#end(reason, undefined);
    });
    this.#settleWith(off);
    if (this.#ending.signal.aborted) return;
    feed.join(this.#listener);
    if (late) void this.#listOwn();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const next = this.#unread.shift();
      if (next !== undefined) yield next.item;
      else if (!this.#ending.signal.aborted) await this.#bell.wait();
      else if (this.#error !== undefined) throw this.#error;
      else return;
    }
  }

  async close(): Promise<void> {
    this.#end(new UsageError("ERR_CLOSED", "the subscription is closed"), undefined);
    await this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #listOwn(): Promise<void> {
    try {
      const list = await this.#feed.list(this.#ending.signal);
      this.#begin(list);
      this.#known = new Map(list.changes.map(({ node }) => [node.key, node]));
      for (const apply of this.#held) apply();
      this.#held = [];
    } catch (error) {
      this.#end(error, error);
    }
  }

  #begin({ index, changes }: MirrorUpdate): void {
    const { includeExisting = false, afterIndex = Infinity } = this.#options;
    this.#began = true;
    this.#index = index;
    this.#take(changes.filter(({ node }) => includeExisting || node.createdIndex > afterIndex));
    this.#settle.resolve({ index });
    this.#bell.ring();
  }

  #apply(update: MirrorUpdate, nodes: ReadonlyMap<string, KeyNode>): void {
    if (this.#known !== undefined && update.index <= this.#index) return;
    this.#take(this.#known !== undefined && update.kind === "list" ? difference(this.#known, nodes) : update.changes);
    this.#known = undefined;
    this.#bell.ring();
  }

  #take(changes: readonly MirrorChange[]): void {
    for (const change of changes) {
      const { key } = change.node;
      const { item, replaces = false } = this.#pick(change);
      if (replaces && this.#unread.length > 0) this.#unread = this.#unread.filter((each) => each.key !== key);
      if (item !== undefined) this.#unread.push({ key, item });
    }
    if (this.#unread.length > maxUnread)
      this.#unread = [...new Map(this.#unread.map((each) => [each.key, each])).values()];
  }

  #end(reason: unknown, error: unknown): void {
    if (this.#ending.signal.aborted) return;
    this.#error = error;
    if (error === undefined) this.#unread = [];
    this.#ending.abort(reason);
    this.#settle.reject(reason);
    this.#bell.ring();
  }

  /** Lets go of everything when it ends. */
  #settleWith(off: () => void): void {
    onAbort(this.#ending.signal, () => {
      off();
      void this.#feed.leave(this.#listener).then(() => {
        this.#over.resolve(this.#error);
      });
    });
  }
}

/** @throws {UsageError} for bad options */
export function requireSubscribeOptions(options: SubscribeOptions): void {
  requireOptions("options", options, subscribeOptionNames);
  requireSignal("options.signal", options.signal);
  requireBoolean("options.includeExisting", options.includeExisting);
  if (options.afterIndex !== undefined) requireIndex("options.afterIndex", options.afterIndex);
}

/** What a mirror would have handed out, had it gone from the one state to the other. */
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

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

function deferred<T>(): Deferred<T> {
  let settle: Pick<Deferred<T>, "resolve" | "reject"> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, resolve: (value) => settle?.resolve(value), reject: (reason) => settle?.reject(reason) };
}

const subscribeOptionNames: ReadonlySet<string> = new Set<keyof SubscribeOptions>([
  "signal",
  "includeExisting",
  "afterIndex",
]);
