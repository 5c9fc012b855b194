import { log } from "../util/log.js";
import { badArgument, requireFunction, requireMs, requireOptions, requireSignal } from "../util/validate.js";
import type { ListerWatcher } from "./lister-watcher.js";
import { Reflector } from "./reflector.js";
import { requireSink } from "./require-sink.js";
import { SourceLoop, type RunningLoop } from "./source-loop.js";
import type { Endpoints, EndpointsUpdate, Operation, Service, ServiceUpdate, UpdateSink, Warning } from "./types.js";
import type { Named } from "./union.js";

export interface SourceAPIOptions {
  readonly services: ListerWatcher<Service>;
  readonly endpoints: ListerWatcher<Endpoints>;
  /** Pause after a failure, and the longest between streams that deliver nothing, in ms. */
  readonly periodMs: number;
  /** Pause after a first stream that delivered nothing, in ms; doubles up to `periodMs`. @default 1000 */
  readonly reconnectMs?: number | undefined;
  readonly serviceSink: UpdateSink<ServiceUpdate>;
  readonly endpointsSink: UpdateSink<EndpointsUpdate>;
  /** Closes the source when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Told of failures that are tried again. If it throws, that ends the source. */
  readonly onWarning?: ((warning: Warning) => void) | undefined;
}

/**
 * Feeds what an API lists and watches into two configs, services and endpoints each on their own. It starts at once.
 * A list is sent whole the first time, and later only where it differs from what was sent.
 */
export class SourceAPI implements AsyncDisposable {
  readonly #options: SourceAPIOptions;
  readonly #loop: SourceLoop;

  /** @throws {UsageError} for a bad option */
  constructor(options: SourceAPIOptions) {
    requireApiOptions(options);
    this.#options = { ...options };
    this.#loop = new SourceLoop("source", options.signal, (loop) => this.#run(loop));
  }

  /** Resolves when all handlers have had the first list of both kinds. Rejects when the source ends before that. */
  get synced(): Promise<void> {
    return this.#loop.synced;
  }

  /** Resolves when the source is over: to undefined after `close` or an abort, else to the error that ended it, such as a closed sink. */
  get closed(): Promise<unknown> {
    return this.#loop.closed;
  }

  /** Ends the source; what it delivered stays in the configs. Idempotent. */
  close(): Promise<void> {
    return this.#loop.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(loop: RunningLoop): Promise<void> {
    const { services, endpoints, serviceSink, endpointsSink } = this.#options;
    let unsynced = 2;
    const onFirst = (): void => {
      if (--unsynced === 0) loop.synced();
    };
    const kinds = [
      this.#reflect("services", services, (op, items) => serviceSink.send({ op, services: items }), loop, onFirst),
      this.#reflect("endpoints", endpoints, (op, items) => endpointsSink.send({ op, endpoints: items }), loop, onFirst),
    ];
    // one that fails for good ends the other
    for (const kind of kinds) kind.catch(loop.fail);
    await Promise.allSettled(kinds);
  }

  #reflect<T extends Named>(
    what: string,
    source: ListerWatcher<T>,
    send: (op: Operation, items: readonly T[]) => Promise<void>,
    { signal, fail }: RunningLoop,
    onFirst: () => void,
  ): Promise<never> {
    const { periodMs, reconnectMs = 1_000, onWarning } = this.#options;
    let isFirst = true;
    const reflector = new Reflector<T>({
      source,
      periodMs,
      reconnectMs,
      send: (op, items) => {
        send(op, items).then(isFirst ? onFirst : () => undefined, fail);
        isFirst = false;
      },
      onFailure: (doing, error) => {
        const message = `cannot ${doing} ${what}, trying again`;
        log.config("%s: %s", message, error instanceof Error ? error.name : "");
        onWarning?.({ message, error });
      },
    });
    return reflector.run(signal);
  }
}

function requireApiOptions(options: SourceAPIOptions): void {
  requireOptions("options", options, optionNames);
  const { services, endpoints, periodMs, reconnectMs = 1_000, serviceSink, endpointsSink, signal, onWarning } = options;
  requireListerWatcher("options.services", services);
  requireListerWatcher("options.endpoints", endpoints);
  requireMs("options.periodMs", periodMs);
  requireMs("options.reconnectMs", reconnectMs);
  requireSink("options.serviceSink", serviceSink);
  requireSink("options.endpointsSink", endpointsSink);
  requireSignal("options.signal", signal);
  requireFunction("options.onWarning", onWarning);
}

function requireListerWatcher(what: string, value: unknown): void {
  if (typeof value === "object" && value !== null && "list" in value && "watch" in value) return;
  badArgument(`${what} must have the methods list and watch`);
}

const optionNames: ReadonlySet<string> = new Set<keyof SourceAPIOptions>([
  "services",
  "endpoints",
  "periodMs",
  "reconnectMs",
  "serviceSink",
  "endpointsSink",
  "signal",
  "onWarning",
]);
