import { ClusterError, EndpointError } from "../util/errors.js";
import { plainCause } from "../util/plain-cause.js";
import { abortable, onAbort } from "../util/signals.js";
import { badArgument, requireBoolean, requireOptions, requireSignal, requireText } from "../util/validate.js";

/** Finds the endpoints of a cluster. */
export interface Discoverer {
  /** Base URLs, the preferred first. */
  discover(domain: string, serviceName?: string, signal?: AbortSignal): Promise<readonly string[]>;
}

export interface SrvRecord {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** Looks up SRV records; the `Resolver` of `node:dns/promises` is one. */
export interface SrvResolver {
  resolveSrv(hostname: string): Promise<readonly SrvRecord[]>;
}

export interface SrvDiscovererOptions {
  /** Absent: the system's, a new one for each look-up. */
  readonly resolver?: SrvResolver | undefined;
  /** Keep http targets where there are https ones too; else a forged answer could lead to plain text. @default false */
  readonly allowInsecure?: boolean | undefined;
}

/** Endpoints from DNS: the SRV records `_etcd-client-ssl._tcp` (https) and `_etcd-client._tcp` (http) of a domain. */
export class SrvDiscoverer implements Discoverer {
  readonly #resolver: SrvResolver | undefined;
  readonly #allowInsecure: boolean;

  /** @throws {UsageError} for bad options */
  constructor(options: SrvDiscovererOptions = {}) {
    requireOptions("options", options, optionNames);
    requireBoolean("options.allowInsecure", options.allowInsecure);
    if (options.resolver !== undefined && typeof options.resolver.resolveSrv !== "function") {
      badArgument("options.resolver must have a resolveSrv method");
    }
    this.#resolver = options.resolver;
    this.#allowInsecure = options.allowInsecure ?? false;
  }

  /**
   * Looks up both names, once. By priority, within it at random by weight; https before http.
   *
   * @param domain e.g. "example.com"
   * @param serviceName tells clusters of one domain apart: `_etcd-client-ssl-<serviceName>._tcp`. Absent or "": none
   * @throws {ClusterError} `ERR_NO_ENDPOINTS`: both look-ups failed; `errors` has both
   * @throws {UsageError} for bad arguments
   * Rejects with `signal.reason` when aborted.
   */
  async discover(domain: string, serviceName = "", signal?: AbortSignal): Promise<readonly string[]> {
    requireText("domain", domain);
    if (domain === "") badArgument("domain must not be empty");
    requireText("serviceName", serviceName);
    requireSignal("signal", signal);
    signal?.throwIfAborted();
    const suffix = `${serviceName === "" ? "" : `-${serviceName}`}._tcp.${domain}`;
    const [secure, plain] = await this.#resolveBoth(`_etcd-client-ssl${suffix}`, `_etcd-client${suffix}`, signal);
    if (secure instanceof EndpointError && plain instanceof EndpointError)
      throw new ClusterError("ERR_NO_ENDPOINTS", [secure, plain]);
    const https = urlsOf("https", secure);
    return https.length > 0 && !this.#allowInsecure ? https : [...https, ...urlsOf("http", plain)];
  }

  async #resolveBoth(
    secureName: string,
    plainName: string,
    signal: AbortSignal | undefined,
  ): Promise<readonly Found[]> {
    const own = this.#resolver === undefined ? new (await import("node:dns/promises")).Resolver() : undefined;
    signal?.throwIfAborted();
    const resolver = this.#resolver ?? own;
    const off = onAbort(signal, () => own?.cancel());
    try {
      const both = Promise.all([secureName, plainName].map((name) => find(resolver, name)));
      return await (signal === undefined ? both : abortable(both, signal));
    } finally {
      off();
    }
  }
}

type Found = readonly SrvRecord[] | EndpointError | undefined;

async function find(resolver: SrvResolver | undefined, name: string): Promise<Found> {
  try {
    return await resolver?.resolveSrv(name);
  } catch (error) {
    const cause = plainCause(error);
    return new EndpointError(
      "ERR_NETWORK",
      `look-up of ${name} failed: ${cause.message}`,
      { endpoint: name, outcome: "notApplied" },
      { cause },
    );
  }
}

function urlsOf(scheme: "http" | "https", found: Found): readonly string[] {
  if (found === undefined || found instanceof EndpointError) return [];
  // a lone dot says that the service is decidedly not there (RFC 2782)
  return inOrder(found.filter(({ name }) => name !== "." && name !== "")).map(({ name, port }) => {
    const host = name.replace(/\.$/, "");
    return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${String(port)}`;
  });
}

/** RFC 2782: lowest priority first; among equals at random, more often first the more weight. DNS answers come in no order. */
function inOrder(records: readonly SrvRecord[]): readonly SrvRecord[] {
  return records
    .map((record) => ({ record, lot: -Math.log(1 - Math.random()) / Math.max(record.weight, 1e-3) }))
    .sort((a, b) => a.record.priority - b.record.priority || a.lot - b.lot)
    .map(({ record }) => record);
}

const optionNames: ReadonlySet<string> = new Set<keyof SrvDiscovererOptions>(["resolver", "allowInsecure"]);
