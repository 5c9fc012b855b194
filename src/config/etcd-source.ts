import {
  EtcdError,
  isIndexCleared,
  keysOf,
  Mirror,
  ResponseError,
  type KeysAPI,
  type KeysClient,
  type KeysResponse,
  type MirrorUpdate,
} from "../core/index.js";
import { log } from "../util/log.js";
import { linkSignal, maxTimerMs, sleep } from "../util/signals.js";
import {
  badArgument,
  requireFunction,
  requireMs,
  requireName,
  requireOptions,
  requireSignal,
  requireText,
} from "../util/validate.js";
import { jsonCodec, type Codec } from "./codec.js";
import { ConfigError } from "./errors.js";
import { readTree } from "./read-tree.js";
import { endpointsFolder, Registry, type RegistryUpdate } from "./registry.js";
import { requireSink } from "./require-sink.js";
import { sameItems } from "./same-items.js";
import { SourceLoop, type RunningLoop } from "./source-loop.js";
import type { Endpoints, EndpointsUpdate, Service, ServiceUpdate, UpdateSink, Warning } from "./types.js";

export interface ConfigSourceEtcdOptions {
  readonly client: KeysClient;
  readonly services: UpdateSink<ServiceUpdate>;
  readonly endpoints: UpdateSink<EndpointsUpdate>;
  /** The directory of the registry; need not exist. @default "/registry/services" */
  readonly root?: string | undefined;
  /** Longest pause before a failure is tried again, in ms. @default 2000 */
  readonly retryMs?: number | undefined;
  /** How often everything is read again although no event was missed, in ms; 0 for never. @default 30000 */
  readonly resyncMs?: number | undefined;
  /** Whether reading again sends what it found only where that differs, or always. @default "diff" */
  readonly resync?: "diff" | "always" | undefined;
  /** @default {@link jsonCodec} */
  readonly codec?: Codec | undefined;
  /** Closes the source when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Told of texts that cannot be decoded and of failures that are tried again. If it throws, that ends the source. */
  readonly onWarning?: ((warning: Warning) => void) | undefined;
}

/** What a registry in etcd holds. */
export interface RegistryListing {
  readonly services: Service[];
  /** One of each service at least: one without addresses where etcd holds none. */
  readonly endpoints: Endpoints[];
  /** etcd's index of the read. */
  readonly index: number;
}

/**
 * Feeds the services and endpoints of a registry in etcd into two configs: all of them first, then every change. It
 * survives outages and cleared history, keeps what it had meanwhile, and starts at once.
 */
export class ConfigSourceEtcd implements AsyncDisposable {
  readonly #keys: KeysAPI;
  readonly #root: string;
  readonly #codec: Codec;
  readonly #options: ConfigSourceEtcdOptions;
  readonly #registry: Registry;
  readonly #loop: SourceLoop;

  /** @throws {UsageError} for a bad option */
  constructor(options: ConfigSourceEtcdOptions) {
    requireEtcdOptions(options);
    const { client, root = "/registry/services", codec = jsonCodec, signal } = options;
    this.#options = { ...options };
    this.#keys = keysOf(client);
    // checks the root
    this.#keys.watcher(root);
    this.#root = root
      .split("/")
      .filter(Boolean)
      .map((segment) => `/${segment}`)
      .join("");
    this.#codec = codec;
    this.#registry = this.#newRegistry();
    this.#loop = new SourceLoop("source", signal, (loop) => this.#run(loop));
  }

  /** Resolves when all handlers have had the first state. Rejects when the source ends before that. */
  get synced(): Promise<void> {
    return this.#loop.synced;
  }

  /** Resolves when the source is over: to undefined after `close` or an abort, else to the error that ended it, such as a closed client or sink. */
  get closed(): Promise<unknown> {
    return this.#loop.closed;
  }

  /**
   * Reads the registry once, beside what the source does by itself. Texts that cannot be decoded are warned of and left
   * out; a registry that does not exist is an empty one.
   *
   * @throws {ConfigError} `ERR_NOT_DIRECTORY`: the root is a file
   * @throws {EtcdError | ClusterError | ResponseError} as `KeysAPI.get`
   * Rejects with `signal.reason` when aborted.
   */
  async getServices(signal?: AbortSignal): Promise<RegistryListing> {
    requireSignal("signal", signal);
    const { nodes, isFile, index } = await readTree(this.#keys, this.#root, signal);
    if (isFile) throw new ConfigError("ERR_NOT_DIRECTORY", this.#root, "the registry is a file, not a directory");
    const registry = this.#newRegistry();
    registry.replace(nodes);
    return { services: registry.services, endpoints: registry.endpoints, index };
  }

  /**
   * Reads the endpoints of one service.
   *
   * @param namespace "" for none
   * @throws {EtcdError} `isKeyNotFound`: there are none
   * @throws {ConfigError} `ERR_DECODE`
   * @throws {ClusterError | ResponseError} as `KeysAPI.get`
   * Rejects with `signal.reason` when aborted.
   */
  async getEndpoints(namespace: string, name: string, signal?: AbortSignal): Promise<Endpoints> {
    if (namespace !== "") requireName("namespace", namespace);
    requireName("name", name);
    const key = [this.#root, endpointsFolder, ...(namespace === "" ? [] : [namespace]), name].join("/");
    const { node } = await this.#keys.get(key, { signal });
    const endpoints = this.#codec.decodeEndpoints(node.value, { key, modifiedIndex: node.modifiedIndex });
    return { ...endpoints, metadata: { ...endpoints.metadata, name, namespace } };
  }

  /** Takes an event as if the source had received it, and resolves when all handlers are done with what it changed. Rejects as `send` of a sink does. */
  async processChange(event: KeysResponse): Promise<void> {
    await this.#send(this.#registry.apply(this.#registry.changesOf(event)));
  }

  /** As {@link processChange}, of endpoints only. */
  async processEndpointResponse(event: KeysResponse): Promise<void> {
    const changes = this.#registry.changesOf(event).filter(({ node }) => this.#registry.isEndpoints(node.key));
    await this.#send(this.#registry.apply(changes));
  }

  /** Ends the source; what it delivered stays in the configs. Idempotent. */
  close(): Promise<void> {
    return this.#loop.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run({ signal, synced, fail }: RunningLoop): Promise<never> {
    const { retryMs = 2_000, resyncMs = 30_000 } = this.#options;
    const mirror = new Mirror(this.#keys, this.#root === "" ? "/" : this.#root, {
      minRetryMs: Math.min(100, retryMs),
      maxRetryMs: retryMs,
      onError: (error) => {
        this.#warn(
          isIndexCleared(error) ? "history was cleared, reading again" : "etcd did not answer, trying again",
          error,
        );
      },
    });
    let isFirst = true;
    let resyncAt = Infinity;
    for (;;) {
      const update = await this.#next(mirror, resyncAt, signal);
      if (update === undefined) {
        mirror.resync();
        resyncAt = Infinity;
        continue;
      }
      // not waited for: a slow handler delays neither the other kind nor the watch
      const sent = this.#send(
        update.kind === "list" ? this.#listed(mirror, update, isFirst) : this.#registry.apply(update.changes),
      );
      sent.then(isFirst ? synced : () => undefined, fail);
      isFirst = false;
      if (update.kind === "list" && resyncMs > 0) resyncAt = performance.now() + resyncMs;
    }
  }

  /** The next update, or undefined when it is time to read again. What etcd refuses is asked again for ever: rights may be given later. */
  async #next(mirror: Mirror, resyncAt: number, signal: AbortSignal): Promise<MirrorUpdate | undefined> {
    for (;;) {
      const link = linkSignal(signal);
      const ms = Math.max(0, resyncAt - performance.now());
      const timer =
        ms <= maxTimerMs
          ? setTimeout(() => {
              link.abort(timeToResync);
            }, ms)
          : undefined;
      try {
        return await mirror.next(link.signal);
      } catch (error) {
        signal.throwIfAborted();
        if (error === timeToResync) return undefined;
        if (!(error instanceof EtcdError || error instanceof ResponseError)) throw error;
        this.#warn("etcd refused, trying again", error);
      } finally {
        clearTimeout(timer);
        link.unlink();
      }
      await sleep(this.#options.retryMs ?? 2_000, signal);
    }
  }

  #listed(mirror: Mirror, { changes }: MirrorUpdate, isFirst: boolean): RegistryUpdate {
    const { services, endpoints } = this.#registry;
    if (changes.length > 0) this.#registry.replace(mirror.nodes.values());
    const always = isFirst || this.#options.resync === "always";
    const now = this.#registry;
    return {
      ...((always || !sameItems(services, now.services)) && { services: { op: "set", services: now.services } }),
      ...((always || !sameItems(endpoints, now.endpoints)) && { endpoints: { op: "set", endpoints: now.endpoints } }),
    };
  }

  async #send({ services, endpoints }: RegistryUpdate): Promise<void> {
    await Promise.all([
      services && this.#options.services.send(services),
      endpoints && this.#options.endpoints.send(endpoints),
    ]);
  }

  #newRegistry(): Registry {
    return new Registry(this.#root, this.#codec, (key, error) => {
      this.#warn("an object cannot be decoded", error, key);
    });
  }

  #warn(message: string, error: unknown, key?: string): void {
    log.config("%s: %s %s", this.#root, message, key ?? "");
    this.#options.onWarning?.({ message, error, ...(key !== undefined && { key }) });
  }
}

const timeToResync = Symbol("time to resync");

function requireEtcdOptions(options: ConfigSourceEtcdOptions): void {
  requireOptions("options", options, optionNames);
  const {
    services,
    endpoints,
    root = "",
    retryMs = 2_000,
    resyncMs = 0,
    resync = "diff",
    codec,
    signal,
    onWarning,
  } = options;
  requireSink("options.services", services);
  requireSink("options.endpoints", endpoints);
  requireText("options.root", root);
  requireMs("options.retryMs", retryMs);
  if (resyncMs !== 0) requireMs("options.resyncMs", resyncMs);
  if (!["diff", "always"].includes(resync)) badArgument('options.resync must be "diff" or "always"');
  if (codec !== undefined && typeof codec.decodeService !== "function") badArgument("options.codec must be a codec");
  requireSignal("options.signal", signal);
  requireFunction("options.onWarning", onWarning);
}

const optionNames: ReadonlySet<string> = new Set<keyof ConfigSourceEtcdOptions>([
  "client",
  "services",
  "endpoints",
  "root",
  "retryMs",
  "resyncMs",
  "resync",
  "codec",
  "signal",
  "onWarning",
]);
