import { hostname as osHostname } from "node:os";
import { keysOf, type KeysAPI, type KeysClient } from "../core/index.js";
import { messageOf } from "../util/error-like.js";
import { optional, requireFields, type Checks } from "../util/fields.js";
import { StalledWarning } from "../util/stalled-warning.js";
import { requireBoolean, requireFunction, requireKeysClient, requireText } from "../util/validate.js";
import { etcdLookup, hostOf } from "./etcd-lookup.js";
import { client, kapi } from "./from-env.js";
import { newHost, readHost, type Host, type HostInit } from "./host.js";
import { childOf, hostsKey, requireServiceName } from "./layout.js";
import { lookUp, type GetOptions, type ServiceResponse, type ServiceSource } from "./lookup.js";
import { startRegistration, type RegisterOptions } from "./register.js";
import type { Registration } from "./registration.js";
import { SharedMirror } from "./shared-mirror.js";
import {
  LiveSubscription,
  requireSubscribeOptions,
  type KeyEvent,
  type Picked,
  type SubscribeOptions,
  type Subscription,
} from "./subscribe.js";
import { warner, type DiscoveryWarning, type Warn } from "./warning.js";

/** Registers hosts, looks them up, and follows them. */
export interface Discovery {
  /**
   * Starts to register a host, and returns at once; the handle reports the outcome.
   *
   * @throws {DiscoveryError} `ERR_INVALID_NAME`, `ERR_CONFIG`
   * @throws {UsageError} for a bad host or option
   */
  register(service: string, host: HostInit, options?: RegisterOptions): Registration;
  /** A lazy lookup: etcd is queried on the first call of a method. Never throws: its methods reject with what is wrong. */
  get(service: string, options?: GetOptions): ServiceResponse;
  /** The same for the hosts of one shard; "" for all. */
  getForShard(service: string, shard: string, options?: GetOptions): ServiceResponse;
  /** Every change below the service's directory. @throws {DiscoveryError} `ERR_INVALID_NAME`, `ERR_CONFIG` @throws {UsageError} for bad options */
  subscribe(service: string, options?: SubscribeOptions): Subscription<KeyEvent>;
  /**
   * Each new host, once. @throws {DiscoveryError} `ERR_INVALID_NAME`, `ERR_CONFIG` @throws {UsageError} for bad options
   */
  subscribeNew(service: string, options?: SubscribeOptions): Subscription<Host>;
  /**
   * The `uuid` of each host that is removed. @throws {DiscoveryError} `ERR_INVALID_NAME`, `ERR_CONFIG` @throws
   * {UsageError} for bad options
   */
  subscribeDown(service: string, options?: SubscribeOptions): Subscription<string>;
}

/** How to discover. */
export interface DiscoveryOptions {
  /** @default the one that the environment describes, see `client`; made when it is first needed */
  readonly client?: KeysClient | undefined;
  /** The name of this machine. @default the environment's HOSTNAME, else the operating system's name */
  readonly hostname?: string | undefined;
  /** Whether the names of services may contain "/". @default false */
  readonly allowNested?: boolean | undefined;
  /** Called for problems that the discovery has dealt with, but its user should know about. */
  readonly onWarning?: ((warning: DiscoveryWarning) => void) | undefined;
  /** A random number from 0 to below 1, to choose `one` host. @default Math.random */
  readonly random?: (() => number) | undefined;
}

/** Read when the module is loaded, as in the Go library. */
const machineName = process.env["HOSTNAME"] ?? "";

/**
 * Makes a discovery of services in etcd, in the layout and with the bytes of the Go library.
 *
 * @example
 * const discovery = createDiscovery({ client });
 * const registration = discovery.register("api", { hostname: "10.0.0.1", ports: { http: "8080" } });
 * await registration.waitRegistration();
 * const url = await discovery.get("api").url("http", "/health");
 * @throws {UsageError} for bad options
 */
export function createDiscovery(options: DiscoveryOptions = {}): Discovery {
  return new EtcdDiscovery(options);
}

/** A discovery of this room; others see a {@link Discovery}. */
export class EtcdDiscovery implements Discovery {
  readonly #keys: () => KeysAPI;
  /** The client as the caller gave it: there is one warning for each. */
  readonly #owner: () => KeysClient;
  readonly #hostname: string;
  readonly #allowNested: boolean;
  readonly #isHeard: boolean;
  readonly #warn: Warn;
  readonly #lookup: ServiceSource;
  readonly #mirrors = new Map<string, SharedMirror>();

  constructor(options: DiscoveryOptions) {
    requireFields("options", options, discoveryChecks);
    const { hostname = ownHostname(), allowNested = false, onWarning, random = Math.random } = options;
    const keys = options.client && keysOf(options.client);
    this.#keys = () => keys ?? kapi();
    this.#owner = () => options.client ?? client();
    this.#hostname = hostname;
    this.#allowNested = allowNested;
    this.#isHeard = onWarning !== undefined;
    this.#warn = warner(onWarning);
    this.#lookup = etcdLookup(this.#keys, this.#warn, allowNested, random);
  }

  get keys(): KeysAPI {
    return this.#keys();
  }

  get hostname(): string {
    return this.#hostname;
  }

  get allowNested(): boolean {
    return this.#allowNested;
  }

  readonly warn: Warn = (warning) => {
    this.#warn(warning);
  };

  /** Warns once per client if there is no progress and the user has no handler. */
  stalledWarning(what: string): StalledWarning {
    return new StalledWarning({
      owner: this.#owner(),
      what,
      hint: "pass onWarning to createDiscovery to handle this",
      isHeard: this.#isHeard,
    });
  }

  register(service: string, init: HostInit, options?: RegisterOptions): Registration {
    requireServiceName(service, this.#allowNested);
    const host = newHost(service, init, this.#hostname);
    return startRegistration(this, service, host, options);
  }

  get(service: string, options?: GetOptions): ServiceResponse {
    return lookUp(this.#lookup, service, "", options);
  }

  getForShard(service: string, shard: string, options?: GetOptions): ServiceResponse {
    return lookUp(this.#lookup, service, shard, options);
  }

  subscribe(service: string, options: SubscribeOptions = {}): Subscription<KeyEvent> {
    return this.#subscription(service, options, (item) => ({ item }));
  }

  subscribeNew(service: string, options: SubscribeOptions = {}): Subscription<Host> {
    return this.#subscription(service, options, (change) => pickNew(service, change, this.#warn));
  }

  subscribeDown(service: string, options: SubscribeOptions = {}): Subscription<string> {
    return this.#subscription(service, options, (change) => pickDown(service, change));
  }

  #subscription<T>(service: string, options: SubscribeOptions, pick: (change: KeyEvent) => Picked<T>): Subscription<T> {
    requireServiceName(service, this.#allowNested);
    requireSubscribeOptions(options);
    return new LiveSubscription(this.#mirrorOf(service), pick, options);
  }

  #mirrorOf(service: string): SharedMirror {
    const known = this.#mirrors.get(service);
    if (known !== undefined) return known;
    const dir = hostsKey(service);
    const mirror = new SharedMirror({
      keys: this.keys,
      dir,
      stalled: this.stalledWarning(`the subscription to service ${JSON.stringify(service)}`),
      onError: (error) => {
        this.#warn({ code: "RETRY", service, key: dir, message: messageOf(error), error });
      },
      onEnd: () => {
        if (this.#mirrors.get(service) === mirror) this.#mirrors.delete(service);
      },
    });
    this.#mirrors.set(service, mirror);
    return mirror;
  }
}

/** A host is new if its key was not there before, or did not hold a host. */
function pickNew(service: string, { type, node, prevNode }: KeyEvent, warn: Warn): Picked<Host> {
  if (type === "remove") return { replaces: true };
  if (prevNode !== undefined && (prevNode.value === node.value || isHost(prevNode.value))) return {};
  const host = hostOf(service, node, false, warn);
  return host === undefined ? {} : { item: host };
}

/** A host that is back before its removal was read is not reported. */
function pickDown(service: string, { type, node, prevNode }: KeyEvent): Picked<string> {
  const uuid = childOf(hostsKey(service), node.key);
  if (type === "set" || uuid === undefined) return { replaces: type === "set" && prevNode === undefined };
  return { item: uuid };
}

function isHost(value: string): boolean {
  try {
    readHost("", value);
    return true;
  } catch {
    return false;
  }
}

function ownHostname(): string {
  return machineName === "" ? osHostname() : machineName;
}

const discoveryChecks: Checks<DiscoveryOptions> = {
  client: optional(requireKeysClient),
  hostname: optional(requireText),
  allowNested: requireBoolean,
  onWarning: requireFunction,
  random: requireFunction,
};
