import { Fanout } from "../util/fanout.js";
import { requireFields, type Check, type Checks } from "../util/fields.js";
import { closedError, Handle } from "../util/handle.js";
import { LatestOnly, type Reader } from "../util/queue.js";
import { onAbort, untilAborted } from "../util/signals.js";
import { badArgument, requireBoolean, requireFunction, requireSignal, requireText } from "../util/validate.js";
import { Broadcaster } from "./broadcaster.js";
import type { Handler, Operation, UpdateSink } from "./types.js";
import { Union, type Named } from "./union.js";

/** How a config works. */
export interface ConfigOptions {
  /** Called with what handlers throw or reject with; other handlers and later updates are not affected. Absent: it becomes a process warning. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Closes the config when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

/** How to register a handler. */
export interface RegisterHandlerOptions {
  /** Whether to call it first with the union as it is, if there was any update yet. @default true */
  readonly replay?: boolean | undefined;
}

/** How to follow a config. */
export interface UpdatesOptions {
  /** Ends the iteration by throwing the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The union of what several sources send, passed to handlers after every update. Sources do not affect each other: a key
 * that two of them have is in the union twice.
 */
export class UnionConfig<T extends Named, U extends { readonly op: Operation }> implements AsyncDisposable {
  readonly #itemsOf: (update: U) => readonly T[];
  readonly #union = new Union<T>();
  readonly #broadcaster: Broadcaster<T>;
  readonly #sinks = new Map<string, UpdateSink<U>>();
  readonly #updates = new Fanout<readonly T[]>({ what: "this reader of updates", unread: () => new LatestUnion() });
  readonly #handle: Handle;
  #hasMerged = false;

  /** For the classes of this room. @throws {UsageError} for a bad option */
  protected constructor(itemsOf: (update: U) => readonly T[], options: ConfigOptions) {
    requireFields("options", options, configChecks);
    this.#itemsOf = itemsOf;
    this.#broadcaster = new Broadcaster(options.onError);
    this.#handle = new Handle("the config", {
      signal: options.signal,
      run: ({ signal }) => untilAborted(signal),
      // waits for the handler that is being called
      release: () => this.#broadcaster.close(),
    });
    onAbort(this.#handle.signal, () => {
      this.#end();
    });
  }

  /** Resolves to undefined once it is closed, also by its signal. */
  get closed(): Promise<unknown> {
    return this.#handle.closed;
  }

  /**
   * The sink of a source: one per name, until it is closed. Sources have the order of their first `channel()`.
   *
   * @throws {UsageError} an empty name; `ERR_CLOSED`
   */
  channel(source: string): UpdateSink<U> {
    requireText("source", source);
    if (source === "") badArgument("source must not be empty");
    this.#requireOpen();
    this.#union.add(source);
    const sink = this.#sinks.get(source) ?? this.#sink(source);
    this.#sinks.set(source, sink);
    return sink;
  }

  /**
   * Registers a handler, to be called with the union after every update. Handlers are called in the order of registration,
   * one at a time. Dispose of the result to unregister it. What a handler throws goes to `onError`.
   *
   * @throws {UsageError} a bad handler; `ERR_CLOSED`
   */
  registerHandler(handler: Handler<T>, options: RegisterHandlerOptions = {}): Disposable {
    requireFields("options", options, registerChecks);
    requireHandler("handler", handler);
    this.#requireOpen();
    return this.#broadcaster.register(handler, options.replay !== false && this.#hasMerged ? this.config() : undefined);
  }

  /** The union as it is now: sources in order, the keys of each in byte order. A fresh array of frozen objects. */
  config(): readonly T[] {
    return this.#union.items();
  }

  /** The objects of each source. A snapshot. */
  bySource(): ReadonlyMap<string, readonly T[]>;
  /**
   * The object of one name from each source that has it. A snapshot.
   *
   * @param namespace default: "", for objects without one
   */
  bySource(name: string, namespace?: string): ReadonlyMap<string, T>;
  bySource(name?: string, namespace = ""): ReadonlyMap<string, readonly T[] | T> {
    if (name === undefined) return this.#union.bySource();
    requireText("name", name);
    requireText("namespace", namespace);
    return this.#union.named(name, namespace);
  }

  /**
   * A reader of the union as it is, if there was any update yet, then after every change. A slow reader gets the latest
   * state, not a backlog. Ends when the config is closed, or by throwing the signal's reason.
   */
  updates(options: UpdatesOptions = {}): Reader<readonly T[]> {
    requireFields("options", options, updatesChecks);
    return this.#updates.read(options.signal, this.#hasMerged ? [this.config()] : []);
  }

  /** Takes no more updates, and resolves when the handler that is being called is done; no other is called. Idempotent. */
  close(): Promise<void> {
    return this.#handle.close();
  }

  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #end(): void {
    for (const sink of this.#sinks.values()) sink.close();
    this.#updates.end();
    void this.#broadcaster.close();
  }

  #sink(source: string): UpdateSink<U> {
    let closed = false;
    const close = (): void => {
      closed = true;
      if (this.#sinks.get(source) === sink) this.#sinks.delete(source);
    };
    let removed: Promise<void> | undefined;
    const sink: UpdateSink<U> = {
      source,
      send: async (update) => {
        if (closed) throw closedError(`the sink of source ${JSON.stringify(source)}`);
        requireUpdate(update);
        this.#union.merge(source, update.op, this.#itemsOf(update));
        return this.#publish();
      },
      close,
      remove: () => {
        // a sink that another one has replaced must not remove the state of that one
        const isLast = (this.#sinks.get(source) ?? sink) === sink;
        close();
        const held = isLast && this.#union.remove(source);
        removed ??= held && !this.#handle.signal.aborted ? this.#publish() : Promise.resolve();
        return removed;
      },
    };
    return sink;
  }

  #publish(): Promise<void> {
    const items = this.config();
    this.#hasMerged = true;
    this.#updates.push(items);
    return this.#broadcaster.send(items);
  }

  #requireOpen(): void {
    if (this.#handle.signal.aborted) throw closedError("the config");
  }
}

/** Keeps the last union only, and hands out an array of its own. */
class LatestUnion<T> extends LatestOnly<readonly T[]> {
  override take(): { readonly value: readonly T[] } | undefined {
    const last = super.take();
    return last && { value: [...last.value] };
  }
}

function requireUpdate(update: unknown): void {
  if (typeof update !== "object" || update === null)
    badArgument("an update must be an object with an op and its objects");
}

const requireHandler: Check = (what, handler) => {
  if (typeof handler === "function") return;
  const onUpdate: unknown =
    typeof handler === "object" && handler !== null && "onUpdate" in handler ? handler.onUpdate : undefined;
  if (typeof onUpdate !== "function") badArgument(`${what} must be a function, or an object with a method onUpdate`);
};

const configChecks: Checks<ConfigOptions> = { onError: requireFunction, signal: requireSignal };
const registerChecks: Checks<RegisterHandlerOptions> = { replay: requireBoolean };
const updatesChecks: Checks<UpdatesOptions> = { signal: requireSignal };
