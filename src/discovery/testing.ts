import type { KeyNode, MirrorChange, MirrorUpdate } from "../core/index.js";
import { optional, requireFields, type Checks } from "../util/fields.js";
import { rejectWhenAborted } from "../util/signals.js";
import { requireFunction, requireText } from "../util/validate.js";
import { pickDown, pickNew, type Discovery, type DiscoveryOptions } from "./discovery.js";
import { encodeHost, newHost, type Host, type HostInit, type StoredHost } from "./host.js";
import { hostKey, requireServiceName } from "./layout.js";
import { lookUp, type GetOptions, type ServiceResponse } from "./lookup.js";
import { requireRegisterOptions, type RegisterOptions } from "./register.js";
import { LiveRegistration, type Credentials, type Registration, type RegistrationSink } from "./registration.js";
import type { ChangeSource, Subscriber } from "./shared-mirror.js";
import { emptyInfo, infoOf, type ServiceInfo } from "./service-info.js";
import {
  LiveSubscription,
  requireSubscribeOptions,
  type KeyEvent,
  type Picked,
  type SubscribeOptions,
  type Subscription,
} from "./subscribe.js";
import { warner } from "./warning.js";

/** The options of {@link DiscoveryOptions} that mean something without etcd. */
export type FakeDiscoveryOptions = Pick<DiscoveryOptions, "hostname" | "random">;

/**
 * Makes a `Discovery` in memory, for tests of programs that use one: without etcd, I/O and heartbeats. Hosts are
 * registered at once, the last public one gives its credentials to all, and a host is gone when its registration is closed.
 *
 * @throws {UsageError} for bad options
 */
export function createFakeDiscovery(options: FakeDiscoveryOptions = {}): Discovery {
  requireFields("options", options, fakeChecks);
  return new FakeDiscovery(options);
}

class FakeDiscovery implements Discovery {
  readonly #options: FakeDiscoveryOptions;
  readonly #services = new Map<string, FakeService>();

  constructor(options: FakeDiscoveryOptions) {
    this.#options = options;
  }

  register(name: string, init: HostInit, options: RegisterOptions = {}): Registration {
    requireServiceName(name, true);
    requireRegisterOptions(options);
    const host = newHost(name, init, this.#options.hostname ?? "localhost");
    const run = (sink: RegistrationSink, signal: AbortSignal): Promise<never> =>
      this.#service(name).hold(host, sink, signal);
    return new LiveRegistration({ uuid: host.uuid ?? "", host, signal: options.signal, run });
  }

  get(name: string, options: GetOptions = {}): ServiceResponse {
    return this.getForShard(name, "", options);
  }

  getForShard(name: string, shard: string, options: GetOptions = {}): ServiceResponse {
    const source = {
      random: this.#options.random ?? Math.random,
      info: async (wanted: string): Promise<ServiceInfo> => {
        await Promise.resolve();
        requireServiceName(wanted, true);
        return this.#services.get(wanted)?.info ?? emptyInfo(wanted);
      },
      hosts: (wanted: string): Promise<readonly Host[] | undefined> =>
        Promise.resolve(this.#services.get(wanted)?.hosts),
    };
    return lookUp(source, name, shard, options);
  }

  subscribe(name: string, options?: SubscribeOptions): Subscription<KeyEvent> {
    return this.#subscription(name, options, (item) => ({ item }));
  }

  subscribeNew(name: string, options?: SubscribeOptions): Subscription<Host> {
    return this.#subscription(name, options, (change) => pickNew(name, change, warner(undefined)));
  }

  subscribeDown(name: string, options?: SubscribeOptions): Subscription<string> {
    return this.#subscription(name, options, (change) => pickDown(name, change));
  }

  #subscription<T>(
    name: string,
    options: SubscribeOptions = {},
    pick: (change: KeyEvent) => Picked<T>,
  ): Subscription<T> {
    requireServiceName(name, true);
    requireSubscribeOptions(options);
    return new LiveSubscription(this.#service(name), pick, options);
  }

  #service(name: string): FakeService {
    const service = this.#services.get(name) ?? new FakeService(name);
    this.#services.set(name, service);
    return service;
  }
}

/** A host that is registered. */
interface Held {
  readonly sink: RegistrationSink;
  readonly node: KeyNode;
  readonly host: StoredHost;
}

/** One service: its metadata, its hosts, and its subscribers. */
class FakeService implements ChangeSource {
  /** Each subscriber reads a list of its own. */
  readonly listed = true;
  readonly #name: string;
  readonly #subscribers = new Set<Subscriber>();
  readonly #held = new Map<string, Held>();
  #info: ServiceInfo | undefined;
  #index = 0;

  constructor(name: string) {
    this.#name = name;
  }

  get info(): ServiceInfo | undefined {
    return this.#info;
  }

  /** undefined until the first host was registered. */
  get hosts(): readonly Host[] | undefined {
    if (this.#info === undefined) return undefined;
    return [...this.#held].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { host }]) => host);
  }

  async hold(host: StoredHost, sink: RegistrationSink, signal: AbortSignal): Promise<never> {
    const key = hostKey(this.#name, host.uuid ?? "");
    const info = host.public || this.#info?.public !== true ? infoOf(host) : this.#info;
    this.#info = info;
    this.#put(key, host, sink);
    sink.state("registered");
    if (!host.public) sink.update({ user: "", password: "" });
    else this.#share({ user: info.user, password: info.password });
    try {
      return await rejectWhenAborted(signal);
    } finally {
      const held = this.#held.get(key);
      this.#held.delete(key);
      this.#index++;
      if (held !== undefined) this.#tell({ type: "remove", node: held.node, action: "delete" });
    }
  }

  join(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber);
  }

  leave(subscriber: Subscriber): Promise<void> {
    this.#subscribers.delete(subscriber);
    return Promise.resolve();
  }

  list(): Promise<MirrorUpdate> {
    const changes = [...this.#held.values()].map(({ node }) => ({ type: "set", node, action: "list" }) as const);
    return Promise.resolve({ kind: "list", index: this.#index, changes });
  }

  #share(credentials: Credentials): void {
    for (const [key, { host, sink }] of this.#held) {
      if (!host.public) continue;
      const next = host.with(credentials);
      if (encodeHost(next) !== encodeHost(host)) this.#put(key, next, sink);
      sink.update(credentials, next);
    }
  }

  #put(key: string, host: StoredHost, sink: RegistrationSink): void {
    const prevNode = this.#held.get(key)?.node;
    this.#index++;
    const node = {
      key,
      value: encodeHost(host),
      dir: false,
      nodes: [],
      createdIndex: this.#index,
      modifiedIndex: this.#index,
    };
    this.#held.set(key, { sink, node, host });
    this.#tell({ type: "set", node, action: "set", ...(prevNode !== undefined && { prevNode }) });
  }

  #tell(change: MirrorChange): void {
    const update: MirrorUpdate = { kind: "event", index: this.#index, changes: [change] };
    for (const subscriber of [...this.#subscribers]) subscriber.update(update, new Map());
  }
}

const fakeChecks: Checks<FakeDiscoveryOptions> = { hostname: optional(requireText), random: requireFunction };
