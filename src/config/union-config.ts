import { UsageError } from "../util/errors.js";
import { abortable, onAbort } from "../util/signals.js";
import {
  badArgument,
  requireBoolean,
  requireFunction,
  requireOptions,
  requireSignal,
  requireText,
} from "../util/validate.js";
import { Broadcaster } from "./broadcaster.js";
import type { Handler, Operation, UpdateSink } from "./types.js";
import { Union, type Named } from "./union.js";

export interface ConfigOptions {
  /** Told what handlers throw or reject with; the other handlers and later updates are not affected. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Closes the config when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

export interface RegisterHandlerOptions {
  /** Call it first with the union as it is, if there was any update yet. @default true */
  readonly replay?: boolean | undefined;
}

export interface UpdatesOptions {
  /** Ends the iteration by throwing the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The union of what several sources say, handed to handlers after every update. Sources do not touch each other: the
 * same key in two of them is in the union twice.
 */
export class UnionConfig<T extends Named, U extends { readonly op: Operation }> implements AsyncDisposable {
  /** Resolves once it is closed, also by its signal; to undefined, since nothing else ends it. */
  readonly closed: Promise<unknown>;
  readonly #itemsOf: (update: U) => readonly T[];
  readonly #union = new Union<T>();
  readonly #broadcaster: Broadcaster<T>;
  readonly #sinks = new Map<string, UpdateSink<U>>();
  #unlink: () => void = () => undefined;
  #merges = 0;
  #news = newsOf();
  #closing: Promise<void> | undefined;
  #ended: () => void = () => undefined;

  /** Empty, and at work at once. For the classes of this folder. @throws {UsageError} for a bad option */
  protected constructor(itemsOf: (update: U) => readonly T[], options: ConfigOptions) {
    requireOptions("options", options, configOptionNames);
    requireFunction("options.onError", options.onError);
    requireSignal("options.signal", options.signal);
    this.#itemsOf = itemsOf;
    this.#broadcaster = new Broadcaster(options.onError);
    this.closed = new Promise(
      (resolve) =>
        (this.#ended = () => {
          resolve(undefined);
        }),
    );
    this.#unlink = onAbort(options.signal, () => void this.close());
  }

  /**
   * The sink of a source: one per name, until it is closed. Sources are ordered by when they were first asked for.
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
   * Has a handler called with the union after every update, in the order of registration, one at a time. Disposing of
   * what is returned ends that.
   *
   * @throws {UsageError} a bad handler; `ERR_CLOSED`
   */
  registerHandler(handler: Handler<T>, options: RegisterHandlerOptions = {}): Disposable {
    requireOptions("options", options, registerOptionNames);
    requireBoolean("options.replay", options.replay);
    requireHandler(handler);
    this.#requireOpen();
    return this.#broadcaster.register(
      handler,
      options.replay !== false && this.#merges > 0 ? this.config() : undefined,
    );
  }

  /** The union as it is: sources in order, the keys of each in byte order. A fresh array of frozen objects. */
  config(): readonly T[] {
    return this.#union.items();
  }

  /** The state of each source. A snapshot. */
  bySource(): ReadonlyMap<string, readonly T[]> {
    return this.#union.bySource();
  }

  /**
   * The union as it is, if there was any update yet, then again after every change; who is slow gets the latest, not a
   * backlog. Ends when the config is closed.
   */
  updates(options: UpdatesOptions = {}): AsyncIterable<readonly T[]> {
    requireOptions("options", options, updatesOptionNames);
    requireSignal("options.signal", options.signal);
    return this.#updates(options.signal);
  }

  /** Takes no more updates, and resolves when the handler that is being called is done; no other is called. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#unlink();
    for (const sink of this.#sinks.values()) sink.close();
    this.#news.tell();
    await this.#broadcaster.close();
    this.#ended();
  }

  async *#updates(signal: AbortSignal | undefined): AsyncGenerator<readonly T[], void, undefined> {
    let seen = 0;
    for (;;) {
      signal?.throwIfAborted();
      if (this.#closing !== undefined) return;
      if (this.#merges > seen) {
        seen = this.#merges;
        yield this.config();
      } else {
        await (signal === undefined ? this.#news.come : abortable(this.#news.come, signal));
      }
    }
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
        if (closed) throw new UsageError("ERR_CLOSED", `the sink of source ${JSON.stringify(source)} is closed`);
        requireUpdate(update);
        this.#union.merge(source, update.op, this.#itemsOf(update));
        return this.#tell();
      },
      close,
      remove: () => {
        // a sink that was followed by another must not take that one's state away
        const isLast = (this.#sinks.get(source) ?? sink) === sink;
        close();
        const held = isLast && this.#union.remove(source);
        removed ??= held && this.#closing === undefined ? this.#tell() : Promise.resolve();
        return removed;
      },
    };
    return sink;
  }

  #tell(): Promise<void> {
    this.#merges++;
    this.#news.tell();
    this.#news = newsOf();
    return this.#broadcaster.send(this.config());
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new UsageError("ERR_CLOSED", "the config is closed");
  }
}

interface News {
  readonly come: Promise<void>;
  readonly tell: () => void;
}

function newsOf(): News {
  let tell = (): void => undefined;
  const come = new Promise<void>((resolve) => (tell = resolve));
  return { come, tell };
}

function requireUpdate(update: unknown): void {
  if (typeof update !== "object" || update === null)
    badArgument("an update must be an object with an op and its objects");
}

function requireHandler(handler: unknown): void {
  if (typeof handler === "function") return;
  if (
    typeof handler === "object" &&
    handler !== null &&
    "onUpdate" in handler &&
    typeof handler.onUpdate === "function"
  )
    return;
  badArgument("handler must be a function, or an object with a method onUpdate");
}

const configOptionNames: ReadonlySet<string> = new Set<keyof ConfigOptions>(["onError", "signal"]);
const registerOptionNames: ReadonlySet<string> = new Set<keyof RegisterHandlerOptions>(["replay"]);
const updatesOptionNames: ReadonlySet<string> = new Set<keyof UpdatesOptions>(["signal"]);
