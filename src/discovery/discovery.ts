import { hostname as osHostname } from "node:os";
import { keysOf, type KeysAPI, type KeysClient } from "../core/index.js";
import { requireBoolean, requireFunction, requireOptions, requireText } from "../util/validate.js";
import { decodedHost, etcdSource } from "./etcd-source.js";
import { kapi } from "./from-env.js";
import { decodeHost, newHost, type Host, type HostInit } from "./host.js";
import { childOf, hostsKey, requireServiceName } from "./layout.js";
import { lookUp, type GetOptions, type ServiceResponse, type ServiceSource } from "./lookup.js";
import { startRegistration, type RegisterOptions } from "./register.js";
import type { Registration } from "./registration.js";
import { EtcdFeed, type Feed } from "./service-feed.js";
import {
  LiveSubscription,
  requireSubscribeOptions,
  type KeyEvent,
  type Picked,
  type SubscribeOptions,
  type Subscription,
} from "./subscribe.js";
import { warner, wordsOf, type DiscoveryWarning, type Warn } from "./warning.js";

/** Registers hosts, looks them up, and follows them. */
export interface Discovery {
  /**
   * Starts to register a host, and returns at once; what becomes of it is told by the handle.
   *
   * @throws {DiscoveryError} `INVALID_NAME`, `CONFIG`
   * @throws {UsageError} for a bad host or option
   */
  register(service: string, host: HostInit, options?: RegisterOptions): Registration;
  /** Never throws: what is wrong, the calls of the answer reject with. */
  get(service: string, options?: GetOptions): ServiceResponse;
  /** The same for the hosts of one shard; "" for all. */
  getForShard(service: string, shard: string, options?: GetOptions): ServiceResponse;
  /** Every change below the service's directory. @throws {DiscoveryError} `INVALID_NAME`, `CONFIG` @throws {UsageError} for bad options */
  subscribe(service: string, options?: SubscribeOptions): Subscription<KeyEvent>;
  /** Each host that comes, once. @throws {DiscoveryError} `INVALID_NAME`, `CONFIG` @throws {UsageError} for bad options */
  subscribeNew(service: string, options?: SubscribeOptions): Subscription<Host>;
  /** The `uuid` of each host that goes. @throws {DiscoveryError} `INVALID_NAME`, `CONFIG` @throws {UsageError} for bad options */
  subscribeDown(service: string, options?: SubscribeOptions): Subscription<string>;
}

export interface DiscoveryOptions {
  /** @default the one that the environment describes, see `client`; made when it is first needed */
  readonly client?: KeysClient | undefined;
  /** The name of this machine. @default the environment's HOSTNAME, else the operating system's name */
  readonly hostname?: string | undefined;
  /** Let services have names with "/" in them. @default false */
  readonly allowNested?: boolean | undefined;
  /** Told of what was handled, but should be known. What it throws is logged and dropped. */
  readonly onWarning?: ((warning: DiscoveryWarning) => void) | undefined;
  /** From 0 to below 1; for `one`. @default Math.random */
  readonly random?: (() => number) | undefined;
}

/** As it was when the module was loaded, like the Go library. */
const machineName = process.env["HOSTNAME"] ?? "";

/** Services in etcd, in the layout and with the bytes of the Go library. @throws {UsageError} for bad options */
export function createDiscovery(options: DiscoveryOptions = {}): Discovery {
  return new EtcdDiscovery(options);
}

/** For this folder; others see a {@link Discovery}. */
export class EtcdDiscovery implements Discovery {
  readonly #keys: () => KeysAPI;
  readonly #hostname: string;
  readonly #allowNested: boolean;
  readonly #warn: Warn;
  readonly #source: ServiceSource;
  readonly #feeds = new Map<string, Feed>();

  constructor(options: DiscoveryOptions) {
    requireOptions("options", options, discoveryOptionNames);
    const { client, hostname = ownHostname(), allowNested = false, onWarning, random = Math.random } = options;
    requireText("options.hostname", hostname);
    requireBoolean("options.allowNested", allowNested);
    requireFunction("options.onWarning", onWarning);
    requireFunction("options.random", random);
    const keys = client && keysOf(client);
    this.#keys = () => keys ?? kapi();
    this.#hostname = hostname;
    this.#allowNested = allowNested;
    this.#warn = warner(onWarning);
    this.#source = etcdSource(this.#keys, this.#warn, allowNested, random);
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

  register(service: string, init: HostInit, options?: RegisterOptions): Registration {
    requireServiceName(service, this.#allowNested);
    const host = newHost(service, init, this.#hostname);
    return startRegistration(this.#keys(), service, host, this.#warn, options);
  }

  get(service: string, options: GetOptions = {}): ServiceResponse {
    return lookUp(this.#source, service, "", options);
  }

  getForShard(service: string, shard: string, options: GetOptions = {}): ServiceResponse {
    return lookUp(this.#source, service, shard, options);
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
    return new LiveSubscription(this.#feedOf(service), pick, options);
  }

  #feedOf(service: string): Feed {
    const known = this.#feeds.get(service);
    if (known !== undefined) return known;
    const dir = hostsKey(service);
    const feed = new EtcdFeed({
      keys: this.#keys(),
      dir,
      onError: (error) => {
        this.#warn({ code: "RETRY", service, key: dir, message: wordsOf(error), error });
      },
      onEnd: () => {
        if (this.#feeds.get(service) === feed) this.#feeds.delete(service);
      },
    });
    this.#feeds.set(service, feed);
    return feed;
  }
}

/** A host is new when its key was not there before, or held what was no host. */
export function pickNew(service: string, { type, node, prevNode }: KeyEvent, warn: Warn): Picked<Host> {
  if (type === "remove") return { replaces: true };
  if (prevNode !== undefined && (prevNode.value === node.value || isHost(prevNode.value))) return {};
  const host = decodedHost(service, hostsKey(service), node, false, warn);
  return host === undefined ? {} : { item: host };
}

/** One that is back before anybody read that it went, did not go. */
export function pickDown(service: string, { type, node, prevNode }: KeyEvent): Picked<string> {
  const uuid = childOf(hostsKey(service), node.key);
  if (type === "set" || uuid === undefined) return { replaces: type === "set" && prevNode === undefined };
  return { item: uuid };
}

function isHost(value: string): boolean {
  try {
    decodeHost("", value);
    return true;
  } catch {
    return false;
  }
}

function ownHostname(): string {
  return machineName === "" ? osHostname() : machineName;
}

const discoveryOptionNames: ReadonlySet<string> = new Set<keyof DiscoveryOptions>([
  "client",
  "hostname",
  "allowNested",
  "onWarning",
  "random",
]);
