import { safeCallback } from "../util/callback.js";
import { asErrorLike } from "../util/error-like.js";
import { optional, requireFields, type Check, type Checks } from "../util/fields.js";
import { Handle, type Running } from "../util/handle.js";
import { log } from "../util/log.js";
import { StalledWarning } from "../util/stalled-warning.js";
import { badArgument, requireFunction, requireMs, requireSignal } from "../util/validate.js";
import type { ListerWatcher } from "./lister-watcher.js";
import { Reflector } from "./reflector.js";
import { requireSink } from "./require-sink.js";
import type { Endpoints, EndpointsUpdate, Operation, Service, ServiceUpdate, UpdateSink, Warning } from "./types.js";
import type { Named } from "./union.js";

/** How to feed configs from an API. */
export interface SourceAPIOptions {
  /** Lists and watches the services. */
  readonly services: ListerWatcher<Service>;
  /** Lists and watches the endpoints. */
  readonly endpoints: ListerWatcher<Endpoints>;
  /** Pause after a failure, and longest pause between streams that deliver nothing, in ms. */
  readonly periodMs: number;
  /** Pause after a first stream that delivered nothing, in ms; doubles up to `periodMs`. @default 1000 */
  readonly reconnectMs?: number | undefined;
  /** Where the services go: `channel()` of a `ServiceConfig`. */
  readonly serviceSink: UpdateSink<ServiceUpdate>;
  /** Where the endpoints go: `channel()` of an `EndpointsConfig`. */
  readonly endpointsSink: UpdateSink<EndpointsUpdate>;
  /** Closes the source when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each failure that is tried again. */
  readonly onWarning?: ((warning: Warning) => void) | undefined;
}

/**
 * Feeds what an API lists and watches into two configs, services and endpoints each on their own. It starts at once. The
 * first list is sent whole, later ones only if they differ from what was sent. A list that is older than what is known,
 * from a replica that lags, is skipped.
 *
 * @example
 * const source = new SourceAPI({
 *   services: etcdListerWatcher({ client, path: "/specs", decode: (node) => jsonCodec.decodeService(node.value) }),
 *   endpoints: etcdListerWatcher({ client, path: "/endpoints", decode: (node) => jsonCodec.decodeEndpoints(node.value) }),
 *   periodMs: 30_000,
 *   serviceSink: services.channel("api"),
 *   endpointsSink: endpoints.channel("api"),
 * });
 */
export class SourceAPI implements AsyncDisposable {
  readonly #options: SourceAPIOptions;
  readonly #warn: (warning: Warning) => void;
  readonly #handle: Handle;

  /** @throws {UsageError} for a bad option */
  constructor(options: SourceAPIOptions) {
    requireFields("options", options, sourceChecks);
    this.#options = { ...options };
    this.#warn = safeCallback("options.onWarning", options.onWarning);
    this.#handle = new Handle("the source", { signal: options.signal, run: (running) => this.#run(running) });
  }

  /** Resolves when all handlers have had the first list of both kinds. Rejects if the source ends before. */
  get synced(): Promise<void> {
    return this.#handle.ready;
  }

  /** Resolves when the source is over: to undefined after `close()` or an abort, else to the error that ended it, such as a closed sink. */
  get closed(): Promise<unknown> {
    return this.#handle.closed;
  }

  /** Ends the source; what it has delivered stays in the configs. Idempotent. */
  close(): Promise<void> {
    return this.#handle.close();
  }

  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(running: Running<void>): Promise<void> {
    const { services, endpoints, serviceSink, endpointsSink } = this.#options;
    let unsynced = 2;
    const onFirst = (): void => {
      if (--unsynced === 0) running.ready();
    };
    const kinds = [
      this.#reflect("services", services, (op, items) => serviceSink.send({ op, services: items }), running, onFirst),
      this.#reflect(
        "endpoints",
        endpoints,
        (op, items) => endpointsSink.send({ op, endpoints: items }),
        running,
        onFirst,
      ),
    ];
    // if one of them ends with an error, so does the other
    for (const kind of kinds) kind.catch(running.fail);
    await Promise.allSettled(kinds);
  }

  #reflect<T extends Named>(
    what: string,
    source: ListerWatcher<T>,
    send: (op: Operation, items: readonly T[]) => Promise<void>,
    { signal, fail }: Running<void>,
    onFirst: () => void,
  ): Promise<never> {
    const { periodMs, reconnectMs = 1_000, onWarning } = this.#options;
    const stalled = new StalledWarning({
      owner: this,
      what: `the source of ${what}`,
      hint: "pass onWarning to SourceAPI to handle this",
      isHeard: onWarning !== undefined,
    });
    let isFirst = true;
    const reflector = new Reflector<T>({
      name: what,
      source,
      periodMs,
      reconnectMs,
      stalled,
      send: (op, items) => {
        send(op, items).then(isFirst ? onFirst : () => undefined, fail);
        isFirst = false;
      },
      onFailure: (doing, error) => {
        const message = `cannot ${doing} ${what}, trying again`;
        log.config("%s: %s", message, asErrorLike(error)?.name ?? "");
        this.#warn({ message, error });
      },
    });
    return reflector.run(signal);
  }
}

const requireListerWatcher: Check = (what, value) => {
  if (typeof value === "object" && value !== null && "list" in value && "watch" in value) return;
  badArgument(`${what} must have the methods list and watch`);
};

const sourceChecks: Checks<SourceAPIOptions> = {
  services: requireListerWatcher,
  endpoints: requireListerWatcher,
  periodMs: requireMs,
  reconnectMs: optional(requireMs),
  serviceSink: requireSink,
  endpointsSink: requireSink,
  signal: requireSignal,
  onWarning: requireFunction,
};
