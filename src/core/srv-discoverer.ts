import { plainCause } from "../util/plain-cause.js";
import { ClusterError, EndpointError } from "../util/errors.js";
import { optional, requireFields, type Checks } from "../util/fields.js";
import { log } from "../util/log.js";
import { abortable, onAbort, throwIfAborted } from "../util/signals.js";
import { badArgument, requireBoolean, requireSignal, requireText } from "../util/validate.js";
import { parseEndpoint } from "./cluster/endpoint.js";

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

/** How long a lookup may take, in ms: a name server that is silent would take 25 s by Node's defaults. */
const lookupMs = 10_000;

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
  /** Lookups under way: calls for the same name share one. */
  readonly #lookups = new Map<string, Promise<Found>>();

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
    const suffix = `${serviceName === "" ? "" : `-${serviceName}`}._tcp.${domain}`;
    const both = Promise.all([`_etcd-client-ssl${suffix}`, `_etcd-client${suffix}`].map((name) => this.#shared(name)));
    const [secure, plain] = await abortable(both, signal);
    if (secure instanceof EndpointError && plain instanceof EndpointError)
      throw new ClusterError("ERR_NO_ENDPOINTS", [secure, plain]);
    const https = urlsOf("https", secure);
    return https.length > 0 && !this.#allowInsecure ? https : [...https, ...urlsOf("http", plain)];
  }

  #shared(name: string): Promise<Found> {
    const lookup = this.#lookups.get(name) ?? this.#lookUp(name).finally(() => this.#lookups.delete(name));
    this.#lookups.set(name, lookup);
    return lookup;
  }

  /** Never rejects. Bounded, so that lookups of a silent name server do not pile up, or keep the process alive. */
  async #lookUp(name: string): Promise<Found> {
    const limit = new AbortController();
    const timer = setTimeout(() => {
      limit.abort(new Error(`no response within ${String(lookupMs)} ms`));
    }, lookupMs);
    try {
      const resolver = this.#resolver ?? (await systemResolver(limit.signal));
      const found: unknown = await abortable(resolver.resolveSrv(name), limit.signal);
      return Array.isArray(found) ? (found as readonly unknown[]) : [];
    } catch (error) {
      const cause = plainCause(error);
      const message = `lookup of ${name} failed: ${cause.message}`;
      return new EndpointError("ERR_NETWORK", message, { endpoint: name, outcome: "notApplied" }, { cause });
    } finally {
      clearTimeout(timer);
      limit.abort(undefined);
    }
  }
}

/** The records that were found, not checked yet, or why there are none. */
type Found = readonly unknown[] | EndpointError;

/** A resolver of its own for each lookup, so that it can be cancelled. */
async function systemResolver(signal: AbortSignal): Promise<SrvResolver> {
  const resolver = new (await import("node:dns/promises")).Resolver();
  onAbort(signal, () => {
    resolver.cancel();
  });
  return resolver;
}

function urlsOf(scheme: "http" | "https", found: Found | undefined): readonly string[] {
  if (found === undefined || found instanceof EndpointError) return [];
  return inOrder(found.filter(isRecord)).flatMap(({ name, port }) => {
    const host = name.replace(/\.$/, "");
    const url = `${scheme}://${host.includes(":") ? `[${host}]` : host}:${String(port)}`;
    if (isEndpoint(host, url)) return [url];
    log.sync("left out the SRV record of %s: it is not a host and a port", JSON.stringify(name.slice(0, 100)));
    return [];
  });
}

function isRecord(record: unknown): record is SrvRecord {
  if (typeof record !== "object" || record === null) return false;
  const { name, port, priority, weight } = record as Partial<Record<keyof SrvRecord, unknown>>;
  // a lone dot means that the service is not available (RFC 2782)
  if (typeof name !== "string" || name === "" || name === ".") return false;
  return (
    [port, priority, weight].every((number) => Number.isInteger(number)) && Number(port) > 0 && Number(port) < 65_536
  );
}

/** A target is a host name or an address, and nothing that a URL would take for something else. */
function isEndpoint(host: string, url: string): boolean {
  if (!/^[\w.:-]+$/.test(host)) return false;
  try {
    parseEndpoint(url);
    return true;
  } catch {
    return false;
  }
}

/** RFC 2782: lowest priority first; among equals at random, weighted. DNS responses have no order. */
function inOrder(records: readonly SrvRecord[]): readonly SrvRecord[] {
  return records
    .map((record) => ({ record, lot: -Math.log(1 - Math.random()) / Math.max(record.weight, 1e-3) }))
    .sort((a, b) => a.record.priority - b.record.priority || a.lot - b.lot)
    .map(({ record }) => record);
}

function requireResolver(what: string, resolver: unknown): void {
  const has = typeof resolver === "object" && resolver !== null && "resolveSrv" in resolver;
  if (!has || typeof resolver.resolveSrv !== "function") badArgument(`${what} must have a resolveSrv method`);
}

const checks: Checks<SrvDiscovererOptions> = { resolver: optional(requireResolver), allowInsecure: requireBoolean };
