import { abortable } from "../util/signals.js";
import { requireBoolean, requireOptions, requireSignal } from "../util/validate.js";
import { DiscoveryError, type DiscoveryErrorCode } from "./errors.js";
import { hostList, type Host, type Hosts } from "./host.js";
import type { ServiceInfo } from "./service-info.js";
import { urlOf, type Ports, type UrlOptions } from "./url.js";

export interface GetOptions {
  readonly signal?: AbortSignal | undefined;
  /** Reject with `DECODE` when the service's metadata cannot be read, not only warn. @default false */
  readonly strict?: boolean | undefined;
}

export interface QueryOptions {
  /** Only hosts of this shard. Absent or "": all. */
  readonly shard?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Reject where there is no host. @default false, an empty list */
  readonly requireHosts?: boolean | undefined;
  /** Reject with `DECODE` when a host cannot be read, not only warn. @default false */
  readonly strict?: boolean | undefined;
}

/** A service as its metadata describes it. */
export interface Service {
  readonly name: string;
  readonly critical: boolean;
  readonly hostname?: string;
  readonly user?: string;
  readonly password?: string;
  readonly ports: Ports;
  readonly public: boolean;
  /** @throws {DiscoveryError} `DECODE` if strict; `SERVICE_NOT_FOUND`, `NO_HOST`, `NO_HOST_ON_SHARD` with `requireHosts` */
  all(options?: QueryOptions): Promise<Hosts>;
  /** The first by key. @throws {DiscoveryError} `SERVICE_NOT_FOUND`, `NO_HOST`, `NO_HOST_ON_SHARD` */
  first(options?: QueryOptions): Promise<Host>;
  /** One at random. @throws {DiscoveryError} `SERVICE_NOT_FOUND`, `NO_HOST`, `NO_HOST_ON_SHARD` */
  one(options?: QueryOptions): Promise<Host>;
  /** Of a public service its own; else, or with a shard, of one host at random. @throws {DiscoveryError} `UNKNOWN_SCHEME`, and what `one` throws */
  url(scheme?: string, path?: string, options?: QueryOptions & UrlOptions): Promise<string>;
}

/** One host, asked for when one of these is called, and only once. */
export interface HostResponse {
  /** What the others would reject with. */
  err(): Promise<Error | undefined>;
  host(): Promise<Host>;
  url(scheme?: string, path?: string, options?: UrlOptions): Promise<string>;
  privateUrl(scheme?: string, path?: string, options?: UrlOptions): Promise<string>;
}

/** A service, asked for when one of these is called, and only once. Made and dropped, it costs nothing. */
export interface ServiceResponse {
  /** What `service` would reject with. */
  err(): Promise<Error | undefined>;
  /** Of one that nobody registered: its name, and nothing else. */
  service(): Promise<Service>;
  /** See {@link Service.all}. */
  all(options?: QueryOptions): Promise<Hosts>;
  /** See {@link Service.first}. */
  first(options?: QueryOptions): HostResponse;
  /** See {@link Service.one}. */
  one(options?: QueryOptions): HostResponse;
  /** See {@link Service.url}. */
  url(scheme?: string, path?: string, options?: QueryOptions & UrlOptions): Promise<string>;
}

/** Where services are looked up. */
export interface ServiceSource {
  info(service: string, options: GetOptions): Promise<ServiceInfo>;
  /** undefined where no host was ever registered. */
  hosts(service: string, options: GetOptions): Promise<readonly Host[] | undefined>;
  /** From 0 to below 1. */
  random(): number;
}

/** The name is checked by the source, when it is asked. */
export function lookUp(source: ServiceSource, name: string, shard: string, options: GetOptions): ServiceResponse {
  let found: Promise<Service> | undefined;
  const service = (): Promise<Service> => (found ??= find(source, name, shard, options));
  const ask = async <T>(query: QueryOptions, next: (service: Service) => Promise<T>): Promise<T> => {
    requireQuery(query);
    const { signal = options.signal } = query;
    signal?.throwIfAborted();
    return next(await (signal === undefined ? service() : abortable(service(), signal)));
  };
  return {
    err: () => errorOf(service()),
    service,
    all: (query = {}) => ask(query, (each) => each.all(query)),
    first: (query = {}) => hostResponse(() => ask(query, (each) => each.first(query))),
    one: (query = {}) => hostResponse(() => ask(query, (each) => each.one(query))),
    url: (scheme, path, query = {}) => ask(query, (each) => each.url(scheme, path, query)),
  };
}

async function find(source: ServiceSource, name: string, shard: string, options: GetOptions): Promise<Service> {
  requireOptions("options", options, getOptionNames);
  requireSignal("options.signal", options.signal);
  requireBoolean("options.strict", options.strict);
  options.signal?.throwIfAborted();
  return new FoundService(source, await source.info(name, options), { shard, signal: options.signal });
}

class FoundService implements Service {
  readonly name: string;
  readonly critical: boolean;
  declare readonly hostname?: string;
  declare readonly user?: string;
  declare readonly password?: string;
  readonly ports: Ports;
  readonly public: boolean;
  readonly #source: ServiceSource;
  readonly #defaults: QueryOptions;

  constructor(source: ServiceSource, info: ServiceInfo, defaults: QueryOptions) {
    this.name = info.name;
    this.critical = info.critical;
    if (info.hostname !== "") this.hostname = info.hostname;
    if (info.user !== "") this.user = info.user;
    if (info.password !== "") this.password = info.password;
    this.ports = Object.freeze({ ...info.ports });
    this.public = info.public;
    this.#source = source;
    this.#defaults = defaults;
    Object.freeze(this);
  }

  async all(options: QueryOptions = {}): Promise<Hosts> {
    requireQuery(options);
    const {
      shard = "",
      signal = this.#defaults.signal,
      strict,
      requireHosts = false,
    } = { ...options, shard: this.#shardOf(options) };
    signal?.throwIfAborted();
    const known = await this.#source.hosts(this.name, { signal, strict });
    const hosts = (known ?? []).filter((host) => shard === "" || host.shard === shard);
    if (requireHosts && hosts.length === 0) {
      if (known === undefined) this.#refuse("SERVICE_NOT_FOUND", "was never registered");
      if (known.length === 0) this.#refuse("NO_HOST", "has no host now");
      this.#refuse("NO_HOST_ON_SHARD", `has no host on shard ${JSON.stringify(shard)}`);
    }
    return hostList(hosts);
  }

  async first(options: QueryOptions = {}): Promise<Host> {
    return this.#at(await this.all({ ...options, requireHosts: true }), 0);
  }

  async one(options: QueryOptions = {}): Promise<Host> {
    const hosts = await this.all({ ...options, requireHosts: true });
    return this.#at(hosts, Math.floor(this.#source.random() * hosts.length));
  }

  async url(scheme = "", path = "", options: QueryOptions & UrlOptions = {}): Promise<string> {
    requireQuery(options);
    const { raw, ...query } = options;
    requireBoolean("options.raw", raw);
    if (!this.public || this.#shardOf(query) !== "") return (await this.one(query)).url(scheme, path, { raw });
    const { hostname = "", ports, user, password } = this;
    return urlOf({ hostname, ports, user, password }, scheme, path, { raw });
  }

  #shardOf({ shard = this.#defaults.shard ?? "" }: QueryOptions): string {
    return shard;
  }

  #at(hosts: Hosts, i: number): Host {
    return hosts[i] ?? this.#refuse("NO_HOST", "has no host now");
  }

  #refuse(code: DiscoveryErrorCode, problem: string): never {
    throw new DiscoveryError(code, `service ${JSON.stringify(this.name)} ${problem}`);
  }
}

function hostResponse(ask: () => Promise<Host>): HostResponse {
  let found: Promise<Host> | undefined;
  const host = (): Promise<Host> => (found ??= ask());
  return {
    err: () => errorOf(host()),
    host,
    url: async (scheme, path, options) => (await host()).url(scheme, path, options),
    privateUrl: async (scheme, path, options) => (await host()).privateUrl(scheme, path, options),
  };
}

/** An abort may give any reason; what is no error is wrapped. */
async function errorOf(promise: Promise<unknown>): Promise<Error | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new DiscoveryError("ABORTED", "the call was aborted");
  }
}

function requireQuery(options: QueryOptions): void {
  requireOptions("options", options, queryOptionNames);
  requireSignal("options.signal", options.signal);
  requireBoolean("options.requireHosts", options.requireHosts);
  requireBoolean("options.strict", options.strict);
}

const getOptionNames: ReadonlySet<string> = new Set<keyof GetOptions>(["signal", "strict"]);
const queryOptionNames: ReadonlySet<string> = new Set<keyof (QueryOptions & UrlOptions)>([
  "shard",
  "signal",
  "requireHosts",
  "strict",
  "raw",
]);
