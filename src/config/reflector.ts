import { Backoff } from "../util/backoff.js";
import { noop } from "../util/deferred.js";
import { diagnostics, trace } from "../util/diagnostics.js";
import { asErrorLike } from "../util/error-like.js";
import { ClusterError } from "../util/errors.js";
import { abortable, sleep } from "../util/signals.js";
import type { StalledWarning } from "../util/stalled-warning.js";
import type { ListerWatcher, WatchEvent } from "./lister-watcher.js";
import { sameItems } from "./same-items.js";
import type { Operation } from "./types.js";
import { keyOf, type Named } from "./union.js";

/** How to follow the objects of one kind. */
export interface ReflectorOptions<T> {
  /** What is followed: "services" or "endpoints". */
  readonly name: string;
  /** What to follow. */
  readonly source: ListerWatcher<T>;
  /** Called with what is new; it is not waited for. */
  readonly send: (op: Operation, items: readonly T[]) => void;
  /** Called with each failure that is tried again. Must not throw. */
  readonly onFailure: (doing: "list" | "watch", error: unknown) => void;
  /** Warns if it makes no progress and the user has no handler. */
  readonly stalled: StalledWarning;
  /** Pause after a failure, in ms. */
  readonly periodMs: number;
  /** First pause after a stream that delivered nothing, and the pause after a list that was skipped, in ms. */
  readonly reconnectMs: number;
}

/** How a turn ended. After a stream that delivered something the next one is opened at once. */
type TurnEnd = "delivered" | "quiet" | "skipped" | "failed";

/** A server that gives an older list this often in a row does not lag: it has started over. */
const maxOlderLists = 3;

/** Lists the objects of one kind, watches from there, and lists again when it must. */
export class Reflector<T extends Named> {
  readonly #options: ReflectorOptions<T>;
  readonly #items = new Map<string, T>();
  /** Where to watch from; "" if a list is needed first. */
  #version = "";
  /** The highest version so far. */
  #known = 0;
  #olderLists = 0;
  #hasListed = false;

  /** Does no I/O: see `run`. */
  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
  }

  /** Runs until the signal aborts; rejects with its reason. */
  async run(signal: AbortSignal): Promise<never> {
    const { periodMs, reconnectMs, stalled } = this.#options;
    const backoff = new Backoff(Math.min(reconnectMs, periodMs), periodMs);
    stalled.start();
    try {
      for (;;) {
        const end = await this.#turn(signal);
        if (end === "skipped") await sleep(Math.min(reconnectMs, periodMs), signal);
        else if (end === "failed") await sleep(periodMs, signal);
        else if (end === "quiet") await sleep(backoff.next(), signal);
        if (end !== "quiet") backoff.reset();
      }
    } finally {
      stalled.end();
    }
  }

  async #turn(signal: AbortSignal): Promise<TurnEnd> {
    if (this.#version === "") {
      try {
        if (!(await this.#list(signal))) return "skipped";
        this.#options.stalled.end();
      } catch (error) {
        signal.throwIfAborted();
        this.#options.stalled.failed(error);
        this.#options.onFailure("list", error);
        return "failed";
      }
    }
    try {
      return (await this.#watch(signal)) ? "delivered" : "quiet";
    } catch (error) {
      signal.throwIfAborted();
      if (!isTimeout(error)) this.#version = "";
      this.#options.onFailure("watch", error);
      return "failed";
    }
  }

  /**
   * Reads a list, and sends it if it is the first, or differs from what is known. Resolves to false for one that is too
   * old.
   */
  async #list(signal: AbortSignal): Promise<boolean> {
    const { name, source } = this.#options;
    const { items, resourceVersion } = await trace(
      diagnostics().list,
      { key: name, again: this.#hasListed },
      () =>
        abortable(
          this.#call(() => source.list({ signal })),
          signal,
        ),
      (message, listing) => {
        const index = numberOf(listing.resourceVersion);
        if (index > 0) message.index = index;
      },
    );
    if (numberOf(resourceVersion) < this.#known && ++this.#olderLists < maxOlderLists) return false;
    const differs = !this.#hasListed || !sameItems(items, [...this.#items.values()]);
    this.#version = resourceVersion;
    this.#known = numberOf(resourceVersion);
    this.#olderLists = 0;
    this.#hasListed = true;
    this.#items.clear();
    for (const item of items) this.#items.set(keyOf(item), item);
    if (differs) this.#options.send("set", items);
    return true;
  }

  /** Follows one stream. Resolves to whether it delivered something before it ended. */
  async #watch(signal: AbortSignal): Promise<boolean> {
    let delivered = false;
    const stream = this.#options.source.watch({ resourceVersion: this.#version, signal })[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next: IteratorResult<WatchEvent<T>, unknown> = await abortable(
          this.#call(() => stream.next()),
          signal,
        );
        if (next.done === true || !this.#take(next.value)) return delivered;
        delivered = true;
      }
    } finally {
      // not waited for: a stream that hangs would block the loop
      this.#call(() => stream.return?.()).catch(noop);
    }
  }

  /** Handles an event. Returns whether the stream can go on. */
  #take(event: WatchEvent<T>): boolean {
    const object: unknown = "object" in event ? event.object : undefined;
    if (object === undefined && event.type !== "ERROR") return false;
    if (event.type === "ERROR" || !(event.type in operations) || !isNamed(object)) {
      this.#version = "";
      return false;
    }
    const op = operations[event.type];
    this.#version = event.object.metadata.resourceVersion ?? "";
    this.#known = Math.max(this.#known, numberOf(this.#version));
    if (op === "remove") this.#items.delete(keyOf(event.object));
    else this.#items.set(keyOf(event.object), event.object);
    this.#options.send(op, [event.object]);
    // without a version it is not known where to go on
    return this.#version !== "";
  }

  /** Calls a function of the user's. What it throws becomes a rejection. */
  async #call<R>(run: () => R | Promise<R>): Promise<R> {
    return await run();
  }
}

const operations = { ADDED: "add", MODIFIED: "add", DELETED: "remove" } as const satisfies Record<string, Operation>;

/** Servers send a status in place of an object if something is wrong. */
function isNamed(object: unknown): boolean {
  const metadata = typeof object === "object" && object !== null && "metadata" in object ? object.metadata : undefined;
  return typeof metadata === "object" && metadata !== null && "name" in metadata && typeof metadata.name === "string";
}

/** A version as a number; 0 for one that is not a number, which cannot be compared. */
function numberOf(version: string): number {
  return /^\d+$/.test(version) ? Number(version) : 0;
}

/** After a timeout nothing is known to be lost: the same version may be requested again. */
function isTimeout(error: unknown): boolean {
  if (error instanceof ClusterError) return error.errors.length > 0 && error.errors.every(isTimeout);
  const { name, message, code = "" } = asErrorLike(error) ?? { name: "", message: "" };
  if (name === "TimeoutError" || timeoutCodes.has(code)) return true;
  // the message of the API's own clients, without a code
  return message.includes("use of closed network connection");
}

const timeoutCodes: ReadonlySet<string> = new Set([
  "ETIMEDOUT",
  "ESOCKETTIMEDOUT",
  "ERR_HEADER_TIMEOUT",
  "ERR_BODY_TIMEOUT",
]);
