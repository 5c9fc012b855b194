import { ClusterError } from "../util/errors.js";
import { Backoff } from "../util/backoff.js";
import { errorCode } from "../util/plain-cause.js";
import { abortable, sleep } from "../util/signals.js";
import type { ListerWatcher, WatchEvent } from "./lister-watcher.js";
import { sameItems } from "./same-items.js";
import type { Operation } from "./types.js";
import { keyOf, type Named } from "./union.js";

export interface ReflectorOptions<T> {
  readonly source: ListerWatcher<T>;
  /** Told what is new; it is not waited for. */
  readonly send: (op: Operation, items: readonly T[]) => void;
  readonly onFailure: (doing: "list" | "watch", error: unknown) => void;
  /** Pause after a failure, in ms. */
  readonly periodMs: number;
  /** First pause after a stream that delivered nothing, in ms. */
  readonly reconnectMs: number;
}

/** How a turn ended: a stream that delivered something is opened again at once. */
type TurnEnd = "delivered" | "quiet" | "failed";

/** Lists the objects of one kind, watches from there, and lists again when it must. */
export class Reflector<T extends Named> {
  readonly #options: ReflectorOptions<T>;
  readonly #items = new Map<string, T>();
  /** Where to watch from; "" where a list is needed first. */
  #version = "";
  #hasListed = false;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<never> {
    const { periodMs, reconnectMs } = this.#options;
    const backoff = new Backoff(Math.min(reconnectMs, periodMs), periodMs);
    for (;;) {
      const end = await this.#turn(signal);
      if (end !== "quiet") backoff.reset();
      if (end !== "delivered") await sleep(end === "failed" ? periodMs : backoff.next(), signal);
    }
  }

  async #turn(signal: AbortSignal): Promise<TurnEnd> {
    if (this.#version === "") {
      try {
        await this.#list(signal);
      } catch (error) {
        signal.throwIfAborted();
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

  /** What was listed is sent the first time, and later where it differs from what is known. */
  async #list(signal: AbortSignal): Promise<void> {
    const { items, resourceVersion } = await abortable(
      this.#call(() => this.#options.source.list({ signal })),
      signal,
    );
    const differs = !this.#hasListed || !sameItems(items, [...this.#items.values()]);
    this.#version = resourceVersion;
    this.#hasListed = true;
    this.#items.clear();
    for (const item of items) this.#items.set(keyOf(item), item);
    if (differs) this.#options.send("set", items);
  }

  /** Whether the stream delivered something before it ended. */
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
      // not waited for: a stream that hangs would hold us
      this.#call(() => stream.return?.()).catch(() => undefined);
    }
  }

  /** Whether the stream can go on. */
  #take(event: WatchEvent<T>): boolean {
    const object: unknown = "object" in event ? event.object : undefined;
    if (object === undefined && event.type !== "ERROR") return false;
    if (event.type === "ERROR" || !(event.type in operations) || !isNamed(object)) {
      this.#version = "";
      return false;
    }
    const op = operations[event.type];
    this.#version = event.object.metadata.resourceVersion ?? "";
    if (op === "remove") this.#items.delete(keyOf(event.object));
    else this.#items.set(keyOf(event.object), event.object);
    this.#options.send(op, [event.object]);
    // without a version nobody knows where to go on
    return this.#version !== "";
  }

  /** What others throw is a rejection too. */
  async #call<R>(run: () => R | Promise<R>): Promise<R> {
    return await run();
  }
}

const operations = { ADDED: "add", MODIFIED: "add", DELETED: "remove" } as const satisfies Record<string, Operation>;

/** Servers put a status in place of an object to say that something is wrong. */
function isNamed(object: unknown): boolean {
  const metadata = typeof object === "object" && object !== null && "metadata" in object ? object.metadata : undefined;
  return typeof metadata === "object" && metadata !== null && "name" in metadata && typeof metadata.name === "string";
}

/** After these nothing is known to be lost: the same version may be asked for again. */
function isTimeout(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof ClusterError) return error.errors.length > 0 && error.errors.every(isTimeout);
  if (error.name === "TimeoutError" || timeoutCodes.has(errorCode(error) ?? "")) return true;
  // how the API's own clients word it; it bears no code
  return error.message.includes("use of closed network connection");
}

const timeoutCodes: ReadonlySet<string> = new Set([
  "ETIMEDOUT",
  "ESOCKETTIMEDOUT",
  "ERR_HEADER_TIMEOUT",
  "ERR_BODY_TIMEOUT",
]);
