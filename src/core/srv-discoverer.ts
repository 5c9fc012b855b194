import { optional, requireFields, type Checks } from "../util/fields.js";
import { throwIfAborted } from "../util/signals.js";
import { badArgument, requireBoolean, requireSignal, requireText } from "../util/validate.js";
import { load, loaded } from "./load.js";
import type { SrvLookup } from "./srv-lookup.js";

/** Finds the endpoints of a cluster. */
export interface Discoverer {
  /**
   * Resolves to base URLs, the preferred one first. Rejects if they cannot be found, and with `signal.reason` when
   * aborted.
   */
  discover(domain: string, serviceName?: string, signal?: AbortSignal): Promise<readonly string[]>;
}

/** An SRV record, as `node:dns/promises` returns it. */
export interface SrvRecord {
  /** The host. "." means that the service is not available. */
  readonly name: string;
  /** The port that the service listens on. */
  readonly port: number;
  /** The lowest is preferred. */
  readonly priority: number;
  /** Among equal priorities, how often a record comes first in relation to the others. */
  readonly weight: number;
}

/** Looks up SRV records; the `Resolver` of `node:dns/promises` is one. */
export interface SrvResolver {
  /** The SRV records of a name, in any order. Rejects with a code such as `ENOTFOUND` if there are none. */
  resolveSrv(hostname: string): Promise<readonly SrvRecord[]>;
}

/** Options of {@link SrvDiscoverer}. */
export interface SrvDiscovererOptions {
  /** Absent: the system's resolver. */
  readonly resolver?: SrvResolver | undefined;
  /** Keep http targets where there are https ones too. A forged response could then lead to plain text. @default false */
  readonly allowInsecure?: boolean | undefined;
}

/**
 * Endpoints from DNS: the SRV records `_etcd-client-ssl._tcp` (https) and `_etcd-client._tcp` (http) of a domain.
 *
 * @example
 * const endpoints = await new SrvDiscoverer().discover("example.com");
 * const client = new Client({ endpoints });
 */
export class SrvDiscoverer implements Discoverer {
  readonly #resolver: SrvResolver | undefined;
  readonly #allowInsecure: boolean;
  /** Made with the first call. */
  #lookup: SrvLookup | undefined;

  /** @throws {UsageError} for bad options */
  constructor(options: SrvDiscovererOptions = {}) {
    requireFields("options", options, checks);
    this.#resolver = options.resolver;
    this.#allowInsecure = options.allowInsecure ?? false;
  }

  /**
   * Looks up both names, once, for at most 10 s. Targets are ordered by priority, and at random by weight within one
   * priority; https comes before http. Records that cannot be an endpoint are left out.
   *
   * @param domain e.g. "example.com"
   * @param serviceName tells clusters of one domain apart: `_etcd-client-ssl-<serviceName>._tcp`. Absent or "": none
   * @returns empty if there are no usable records
   * @throws {ClusterError} `ERR_NO_ENDPOINTS`: both lookups failed; `errors` has both errors
   * @throws {UsageError} for bad arguments
   * Rejects with `signal.reason` when aborted.
   */
  async discover(domain: string, serviceName = "", signal?: AbortSignal): Promise<readonly string[]> {
    requireText("domain", domain);
    if (domain === "") badArgument("domain must not be empty");
    requireText("serviceName", serviceName);
    requireSignal("signal", signal);
    throwIfAborted(signal);
    const { SrvLookup } = loaded() ?? (await load());
    this.#lookup ??= new SrvLookup(this.#resolver, this.#allowInsecure);
    return this.#lookup.endpointsOf(domain, serviceName, signal);
  }
}

function requireResolver(what: string, resolver: unknown): void {
  const has = typeof resolver === "object" && resolver !== null && "resolveSrv" in resolver;
  if (!has || typeof resolver.resolveSrv !== "function") badArgument(`${what} must have a resolveSrv method`);
}

const checks: Checks<SrvDiscovererOptions> = { resolver: optional(requireResolver), allowInsecure: requireBoolean };
