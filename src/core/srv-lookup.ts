import { plainCause } from "../util/plain-cause.js";
import { ClusterError, EndpointError } from "../util/errors.js";
import { log } from "../util/log.js";
import { abortable, onAbort } from "../util/signals.js";
import { parseEndpoint } from "./cluster/endpoint.js";
import type { SrvRecord, SrvResolver } from "./srv-discoverer.js";

/** How long a lookup may take, in ms: a name server that is silent would take 25 s by Node's defaults. */
const lookupMs = 10_000;

/** Looks up the endpoints of clusters in DNS. */
export class SrvLookup {
  readonly #resolver: SrvResolver | undefined;
  readonly #allowInsecure: boolean;
  /** Lookups under way: calls for the same name share one. */
  readonly #lookups = new Map<string, Promise<Found>>();

  /** @param resolver undefined: the system's */
  constructor(resolver: SrvResolver | undefined, allowInsecure: boolean) {
    this.#resolver = resolver;
    this.#allowInsecure = allowInsecure;
  }

  /** The base URLs of a cluster; see `SrvDiscoverer.discover`. */
  async endpointsOf(domain: string, serviceName: string, signal: AbortSignal | undefined): Promise<readonly string[]> {
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
