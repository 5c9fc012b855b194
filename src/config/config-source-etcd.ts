import {
  isIndexCleared,
  keysOf,
  Mirror,
  SdkError,
  UsageError,
  type KeysAPI,
  type KeysClient,
  type KeysResponse,
  type MirrorUpdate,
} from "../core/index.js";
import { Backoff } from "../util/backoff.js";
import { safeCallback } from "../util/callback.js";
import { noop } from "../util/deferred.js";
import { choice, optional, requireFields, type Check, type Checks } from "../util/fields.js";
import { Handle, type Running } from "../util/handle.js";
import { log } from "../util/log.js";
import { retry } from "../util/retry.js";
import { linkSignal, maxTimerMs } from "../util/signals.js";
import { StalledWarning } from "../util/stalled-warning.js";
import {
  badArgument,
  requireFunction,
  requireKeysClient,
  requireMs,
  requireName,
  requireSignal,
  requireText,
} from "../util/validate.js";
import { jsonCodec, type Codec } from "./codec.js";
import { ConfigError } from "./errors.js";
import { readTree } from "./read-tree.js";
import { endpointsFolder, Registry, type RegistryUpdate } from "./registry.js";
import { requireSink } from "./require-sink.js";
import { sameItems } from "./same-items.js";
import type { Endpoints, EndpointsUpdate, Service, ServiceUpdate, UpdateSink, Warning } from "./types.js";

/** How to feed configs from a registry in etcd. */
export interface ConfigSourceEtcdOptions {
  /** The client of the cluster, or its keys. */
  readonly client: KeysClient;
  /** Where the services go: `channel()` of a `ServiceConfig`. */
  readonly services: UpdateSink<ServiceUpdate>;
  /** Where the endpoints go: `channel()` of an `EndpointsConfig`. */
  readonly endpoints: UpdateSink<EndpointsUpdate>;
  /** The directory of the registry; need not exist. @default "/registry/services" */
  readonly root?: string | undefined;
  /** Longest pause after a failure, in ms. @default 2000 */
  readonly retryMs?: number | undefined;
  /** How often everything is read again although no event was missed, in ms; 0 for never. @default 30000 */
  readonly resyncMs?: number | undefined;
  /** Whether reading again sends only what differs (`diff`), or everything (`always`). @default "diff" */
  readonly resync?: "diff" | "always" | undefined;
  /** How objects are stored. @default {@link jsonCodec} */
  readonly codec?: Codec | undefined;
  /** Closes the source when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Called with texts that cannot be decoded, and with failures that are tried again. */
  readonly onWarning?: ((warning: Warning) => void) | undefined;
}

/** What a registry in etcd holds. */
export interface RegistryListing {
  /** All services. */
  readonly services: Service[];
  /** All endpoints; also those of services without any in etcd, with no address. */
  readonly endpoints: Endpoints[];
  /** etcd's index of the read. */
  readonly index: number;
}

/**
 * Feeds the services and endpoints of a registry in etcd into two configs: first all of them, then every change. It starts
 * at once. Through an outage it keeps what it had; after an outage, after cleared history, and after the cluster has
 * started over, it reads everything again and sends the difference.
 *
 * @example
 * const services = new ServiceConfig();
 * const endpoints = new EndpointsConfig();
 * endpoints.registerHandler((all) => console.log(all));
 * await using source = new ConfigSourceEtcd({
 *   client,
 *   services: services.channel("etcd"),
 *   endpoints: endpoints.channel("etcd"),
 * });
 * await source.synced;
 */
export class ConfigSourceEtcd implements AsyncDisposable {
  readonly #keys: KeysAPI;
  readonly #root: string;
  readonly #codec: Codec;
  readonly #options: ConfigSourceEtcdOptions;
  readonly #registry: Registry;
  readonly #warnUser: (warning: Warning) => void;
  readonly #stalled: StalledWarning;
  readonly #handle: Handle;

  /** @throws {UsageError} for a bad option */
  constructor(options: ConfigSourceEtcdOptions) {
    requireFields("options", options, etcdChecks);
    const { client, root = "/registry/services", codec = jsonCodec, signal } = options;
    this.#options = { ...options };
    this.#warnUser = safeCallback("options.onWarning", options.onWarning);
    this.#stalled = new StalledWarning({
      owner: client,
      what: `the source of ${root}`,
      hint: "pass onWarning to ConfigSourceEtcd to handle this",
      isHeard: options.onWarning !== undefined,
    });
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
    this.#handle = new Handle("the source", { signal, run: (running) => this.#run(running) });
  }

  /** Resolves when all handlers have had the first state. Rejects if the source ends before. */
  get synced(): Promise<void> {
    return this.#handle.ready;
  }

  /** Resolves when the source is over: to undefined after `close()` or an abort, else to the error that ended it, such as a closed client or sink. */
  get closed(): Promise<unknown> {
    return this.#handle.closed;
  }

  /**
   * Reads the registry once, by quorum, independent of the source's own loop. Texts that cannot be decoded are left out
   * with a warning. A registry that does not exist is empty.
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

  /** Handles an event like one of the source's own. Resolves when all handlers are done; rejects as `send` of a sink. */
  async processChange(event: KeysResponse): Promise<void> {
    await this.#send(this.#registry.apply(this.#registry.changesOf(event)));
  }

  /** The same as {@link processChange}, for endpoints only. */
  async processEndpointResponse(event: KeysResponse): Promise<void> {
    const changes = this.#registry.changesOf(event).filter(({ node }) => this.#registry.isEndpoints(node.key));
    await this.#send(this.#registry.apply(changes));
  }

  /** Ends the source; what it has delivered stays in the configs. Idempotent. */
  close(): Promise<void> {
    return this.#handle.close();
  }

  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run({ signal, ready, fail }: Running<void>): Promise<never> {
    const { retryMs = 2_000, resyncMs = 30_000 } = this.#options;
    const minRetryMs = Math.min(100, retryMs);
    const mirror = new Mirror(this.#keys, this.#root === "" ? "/" : this.#root, {
      minRetryMs,
      maxRetryMs: retryMs,
      onError: (error) => {
        this.#stalled.failed(error);
        this.#warn(isIndexCleared(error) ? "history was cleared, reading again" : "etcd failed, trying again", error);
      },
    });
    const persistence = {
      signal,
      backoff: new Backoff(minRetryMs, retryMs),
      // a refusal is retried without end: rights may be granted later
      isTransient: (error: unknown) => error instanceof SdkError && !(error instanceof UsageError),
      onFailure: (error: unknown) => {
        this.#warn("etcd refused, trying again", error);
      },
      stalled: this.#stalled,
    };
    let isFirst = true;
    let resyncAt = Infinity;
    this.#stalled.start();
    for (;;) {
      const update = await retry(() => nextBefore(resyncAt, mirror, signal), persistence);
      if (update === undefined) {
        mirror.resync();
        resyncAt = Infinity;
        continue;
      }
      // not waited for: a slow handler delays neither the other kind nor the watch
      const sent = this.#send(
        update.kind === "list" ? this.#listed(mirror, update, isFirst) : this.#registry.apply(update.changes),
      );
      sent.then(isFirst ? ready : noop, fail);
      isFirst = false;
      if (update.kind === "list" && resyncMs > 0) resyncAt = performance.now() + resyncMs;
    }
  }

  #listed(mirror: Mirror, { changes }: MirrorUpdate, isFirst: boolean): RegistryUpdate {
    const { services, endpoints } = this.#registry;
    if (changes.length > 0) this.#registry.replace(mirror.values());
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
    this.#warnUser({ message, error, ...(key !== undefined && { key }) });
  }
}

/**
 * The next update, or undefined when it is time to read again, by `performance.now()`. Waits for `next` itself, also after
 * the abort: the mirror takes one call at a time.
 */
async function nextBefore(atMs: number, mirror: Mirror, signal: AbortSignal): Promise<MirrorUpdate | undefined> {
  const link = linkSignal(signal);
  const ms = Math.max(0, atMs - performance.now());
  const timer = ms <= maxTimerMs ? setTimeout(link.abort, ms, timeToResync) : undefined;
  try {
    return await mirror.next(link.signal);
  } catch (error) {
    if (error === timeToResync) return undefined;
    throw error;
  } finally {
    clearTimeout(timer);
    link.unlink();
  }
}

const timeToResync = Symbol("time to resync");

const requireCodec: Check = (what, value) => {
  const isCodec = typeof value === "object" && value !== null && "decodeService" in value && "decodeEndpoints" in value;
  if (!isCodec) badArgument(`${what} must be a codec, such as jsonCodec`);
};

const etcdChecks: Checks<ConfigSourceEtcdOptions> = {
  client: requireKeysClient,
  services: requireSink,
  endpoints: requireSink,
  root: optional(requireText),
  retryMs: optional(requireMs),
  resyncMs: (what, value) => {
    if (value !== undefined && value !== 0) requireMs(what, value);
  },
  resync: choice("diff", "always"),
  codec: optional(requireCodec),
  signal: requireSignal,
  onWarning: requireFunction,
};
