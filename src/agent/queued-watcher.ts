import { UsageError } from "../util/errors.js";
import { onAbort } from "../util/signals.js";
import { requireSignal } from "../util/validate.js";
import type { InstanceEvent, ServiceWatcher } from "./agent.js";
import { hasTags } from "./instance.js";
import { eventOf, type Change } from "./instance-set.js";

type Batch = readonly InstanceEvent[];
type Result = IteratorResult<Batch, undefined>;

/** A watcher with a queue of its own, one event per instance at most: who fills it never waits. */
export class QueuedWatcher implements ServiceWatcher {
  readonly closed: Promise<unknown>;
  readonly #tags: readonly string[];
  readonly #release: (watcher: QueuedWatcher) => Promise<void>;
  readonly #queue = new Map<string, InstanceEvent>();
  #state: "waiting" | "first" | "open" | "failed" | "ended" = "waiting";
  #error: unknown;
  #pending = false;
  #closing: Promise<void> | undefined;
  #wake: () => void = noop;
  #unlink: () => void = noop;
  #settle: (error: unknown) => void = noop;

  /** @param release told once, at the end */
  constructor(tags: readonly string[], release: (watcher: QueuedWatcher) => Promise<void>) {
    this.#tags = tags;
    this.#release = release;
    this.closed = new Promise((resolve) => (this.#settle = resolve));
  }

  /** Closes when the signal does; to be called once. */
  follow(signal: AbortSignal | undefined): void {
    const off = onAbort(signal, () => void this.close());
    if (this.#closing === undefined) this.#unlink = off;
  }

  /** The full set, for the first batch, as adds. */
  begin(present: readonly InstanceEvent[]): void {
    if (this.#state !== "waiting") return;
    this.#state = "first";
    for (const event of present) if (hasTags(event.instance, this.#tags)) this.#queue.set(event.instance.id, event);
    this.#wake();
  }

  push(change: Change): void {
    const event = this.#seen(change);
    if (event === undefined) return;
    const { id } = event.instance;
    const merged = merge(this.#queue.get(id), event);
    if (merged === undefined) this.#queue.delete(id);
    else this.#queue.set(id, merged);
    this.#wake();
  }

  /** What is in the queue is handed out still, then `next` throws. */
  fail(error: unknown): void {
    this.#state = "failed";
    this.#error = error;
    this.#finish(error);
  }

  async next(signal?: AbortSignal): Promise<Result> {
    requireSignal("signal", signal);
    signal?.throwIfAborted();
    if (this.#pending) throw new UsageError("ERR_BUSY", "an earlier next() of this watcher is still waiting");
    this.#pending = true;
    try {
      for (;;) {
        const result = this.#take();
        if (result !== undefined) return result;
        await this.#woken(signal);
      }
    } finally {
      this.#pending = false;
    }
  }

  async return(): Promise<Result> {
    await this.close();
    return done;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #close(): Promise<void> {
    const failed = this.#state === "failed";
    this.#state = "ended";
    this.#queue.clear();
    this.#wake();
    this.#unlink();
    if (failed) return;
    await this.#release(this);
    this.#settle(undefined);
  }

  #finish(error: unknown): void {
    this.#wake();
    this.#unlink();
    this.#settle(error);
  }

  #take(): Result | undefined {
    if (this.#state === "ended") return done;
    if (this.#queue.size > 0 || this.#state === "first") {
      if (this.#state === "first") this.#state = "open";
      const batch = Object.freeze([...this.#queue.values()]);
      this.#queue.clear();
      return { done: false, value: batch };
    }
    if (this.#state !== "failed") return undefined;
    this.#state = "ended";
    throw this.#error;
  }

  #woken(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#wake = () => {
        this.#wake = noop;
        off();
        resolve();
      };
      const off = onAbort(signal, (reason) => {
        this.#wake = noop;
        reject(reason);
      });
    });
  }

  /** The event as one sees it who sees only instances with our tags. */
  #seen({ event, before }: Change): InstanceEvent | undefined {
    if (this.#tags.length === 0) return event;
    const was = before !== undefined && hasTags(before, this.#tags);
    const is = event.op !== "delete" && hasTags(event.instance, this.#tags);
    if (was && is) return event;
    if (is) return eventOf("add", event.instance);
    return was ? eventOf("delete", before) : undefined;
  }
}

/** Two events of one instance, of which the reader has seen neither; undefined: nothing to tell. */
function merge(first: InstanceEvent | undefined, { op, instance }: InstanceEvent): InstanceEvent | undefined {
  switch (first?.op) {
    case "add":
      return op === "delete" ? undefined : eventOf("add", instance);
    case "delete":
      return eventOf(op === "delete" ? "delete" : "update", instance);
    case "update":
    case undefined:
      return eventOf(op, instance);
  }
}

const done: Result = { done: true, value: undefined };

function noop(): void {
  // nobody waits
}
