import { asErrorLike } from "../util/error-like.js";
import { optional, requireFields, type Checks } from "../util/fields.js";
import { abortable, throwIfAborted } from "../util/signals.js";
import { requireBoolean, requireSignal, requireText } from "../util/validate.js";
import { DiscoveryError, type DiscoveryErrorCode } from "./errors.js";
import { hostList, type Host, type Hosts } from "./host.js";
import type { ServiceInfo } from "./service-info.js";
import { urlOf, type Ports, type UrlOptions } from "./url.js";

/** How to look a service up. */
export interface GetOptions {
  /** Aborts the requests of the lookup; its calls reject with the reason. */
  readonly signal?: AbortSignal | undefined;
  /** Reject with `ERR_DECODE` if the service's metadata cannot be read, instead of only warning. @default false */
  readonly strict?: boolean | undefined;
}

/** Which hosts to find. */
export interface QueryOptions {
  /** Only hosts of this shard. Absent or "": all. */
  readonly shard?: string | undefined;
  /** Aborts the request; the call rejects with the reason. @default the signal of the lookup */
  readonly signal?: AbortSignal | undefined;
  /** Reject if there is no host. @default false, an empty list */
  readonly requireHosts?: boolean | undefined;
  /** Reject with `ERR_DECODE` if a host cannot be read, instead of only warning. @default false */
  readonly strict?: boolean | undefined;
}

/** A service as its metadata describes it. */
export interface Service {
  /** The name of the service. */
  readonly name: string;
  /** Whether it is critical, according to its hosts. */
  readonly critical: boolean;
  /** Where a public service is reached; absent for private ones. */
  readonly hostname?: string;
  /** Absent: no credentials in URLs. */
  readonly user?: string;
  /** Absent: an empty one. */
  readonly password?: string;
  /** Which port speaks which scheme; empty for private services. */
  readonly ports: Ports;
  /** Whether it is reachable from anywhere, with credentials that all its hosts share. */
  readonly public: boolean;
  /** Its hosts. @throws {DiscoveryError} `ERR_DECODE` if strict; `ERR_SERVICE_NOT_FOUND`, `ERR_NO_HOST`, `ERR_NO_HOST_ON_SHARD` with `requireHosts` */
  all(options?: QueryOptions): Promise<Hosts>;
  /** The first by key. @throws {DiscoveryError} `ERR_SERVICE_NOT_FOUND`, `ERR_NO_HOST`, `ERR_NO_HOST_ON_SHARD` */
  first(options?: QueryOptions): Promise<Host>;
  /** One at random. @throws {DiscoveryError} `ERR_SERVICE_NOT_FOUND`, `ERR_NO_HOST`, `ERR_NO_HOST_ON_SHARD` */
  one(options?: QueryOptions): Promise<Host>;
  /** A URL: of a public service its own; else, or with a shard, that of one host at random. @throws {DiscoveryError} `ERR_UNKNOWN_SCHEME`, and what `one` throws */
  url(scheme?: string, path?: string, options?: QueryOptions & UrlOptions): Promise<string>;
}

/** A lazy lookup of one host: etcd is queried on the first call of a method, and only once. */
export interface HostResponse {
  /** The error that the other methods would reject with; undefined if there is none. */
  err(): Promise<Error | undefined>;
  /** The host. */
  host(): Promise<Host>;
  /** See {@link Host.url}. */
  url(scheme?: string, path?: string, options?: UrlOptions): Promise<string>;
  /** See {@link Host.privateUrl}. */
  privateUrl(scheme?: string, path?: string, options?: UrlOptions): Promise<string>;
}

/** A lazy lookup of a service: etcd is queried on the first call of a method, and the metadata only once. */
export interface ServiceResponse {
  /** The error that `service` would reject with; undefined if there is none. */
  err(): Promise<Error | undefined>;
  /** The service; only its name if it was never registered. */
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
  /** The metadata of a service, an empty one if it was never registered. */
  info(service: string, options: GetOptions): Promise<ServiceInfo>;
  /** The hosts of a service; undefined if no host was ever registered. */
  hosts(service: string, options: GetOptions): Promise<readonly Host[] | undefined>;
  /** A random number from 0 to below 1. */
  random(): number;
}

/** Makes a lazy lookup. The arguments are checked when it is used: it must not throw. */
export function lookUp(source: ServiceSource, name: string, shard: string, options: GetOptions = {}): ServiceResponse {
  let found: Promise<Service> | undefined;
  const service = (): Promise<Service> => (found ??= find(source, name, shard, options));
  const ask = async <T>(query: QueryOptions, next: (service: Service) => Promise<T>): Promise<T> => {
    requireQuery(query);
    const { signal = options.signal } = query;
    throwIfAborted(signal);
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
  requireFields("options", options, getChecks);
  throwIfAborted(options.signal);
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
    throwIfAborted(signal);
    const known = await this.#source.hosts(this.name, { signal, strict });
    const hosts = (known ?? []).filter((host) => shard === "" || host.shard === shard);
    if (requireHosts && hosts.length === 0) {
      if (known === undefined) this.#refuse("ERR_SERVICE_NOT_FOUND", "was never registered");
      if (known.length === 0) this.#refuse("ERR_NO_HOST", "has no host now");
      this.#refuse("ERR_NO_HOST_ON_SHARD", `has no host on shard ${JSON.stringify(shard)}`);
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
    if (!this.public || this.#shardOf(query) !== "") return (await this.one(query)).url(scheme, path, { raw });
    const { hostname = "", ports, user, password } = this;
    return urlOf({ hostname, ports, user, password }, scheme, path, { raw });
  }

  #shardOf({ shard = this.#defaults.shard ?? "" }: QueryOptions): string {
    return shard;
  }

  #at(hosts: Hosts, i: number): Host {
    return hosts[i] ?? this.#refuse("ERR_NO_HOST", "has no host now");
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

/** The error that a promise rejects with. The reason of an abort may be anything: what is not an error is wrapped. */
async function errorOf(promise: Promise<unknown>): Promise<Error | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    // errors of other realms count
    return asErrorLike(error) === undefined
      ? new DiscoveryError("ERR_ABORTED", "the call was aborted")
      : (error as Error);
  }
}

function requireQuery(options: QueryOptions): void {
  requireFields("options", options, queryChecks);
}

const getChecks: Checks<GetOptions> = { signal: requireSignal, strict: requireBoolean };
const queryChecks: Checks<QueryOptions & UrlOptions> = {
  shard: optional(requireText),
  signal: requireSignal,
  requireHosts: requireBoolean,
  strict: requireBoolean,
  raw: requireBoolean,
};
