import { flag } from "../util/reader.js";
import { goObject, goPorts, goText, readGoObject, sortedByBytes } from "./go-json.js";
import type { Host } from "./host.js";
import type { Ports } from "./url.js";

/** The metadata of a service as etcd holds it. A private service has only its name, and whether it is critical. */
export interface ServiceInfo {
  /** "" in data of libraries before 4.1. */
  readonly name: string;
  /** Whether the service is critical. */
  readonly critical: boolean;
  /** Where a public service is reached; "" for a private one. */
  readonly hostname: string;
  /** "" if there are no credentials. */
  readonly user: string;
  /** "" if there are no credentials. */
  readonly password: string;
  /** Which port speaks which scheme; empty for a private service. */
  readonly ports: Ports;
  /** Whether its hosts are reachable from anywhere. */
  readonly public: boolean;
  /** Fields that are not known here; they are kept. */
  readonly rest: readonly (readonly [string, unknown])[];
}

/** What a host writes about its service when it registers. */
export function infoOf(host: Host): ServiceInfo {
  const { name, critical, hostname, user = "", password = "", ports } = host;
  return host.public
    ? { name, critical, hostname, user, password, ports, public: true, rest: [] }
    : { ...emptyInfo(name), critical };
}

/** The metadata of a service that was never registered. */
export function emptyInfo(name: string): ServiceInfo {
  return { name, critical: false, hostname: "", user: "", password: "", ports: {}, public: false, rest: [] };
}

/** The bytes that the Go library would write. */
export function encodeInfo(info: ServiceInfo): string {
  const { name, critical, hostname, user, password, ports, rest } = info;
  const fields: (readonly [string, unknown])[] = [
    ["name", name],
    ["critical", critical],
  ];
  if (hostname !== "") fields.push(["hostname", hostname]);
  if (user !== "") fields.push(["user", user]);
  if (password !== "") fields.push(["password", password]);
  if (Object.keys(ports).length > 0) fields.push(["ports", sortedByBytes(ports)]);
  if (info.public) fields.push(["public", true]);
  return goObject([...fields, ...rest]);
}

/**
 * Reads a service's metadata.
 *
 * @param key names it in messages
 * @throws {DiscoveryError} `ERR_DECODE`
 */
export function decodeInfo(key: string, text: string): ServiceInfo {
  const fields = readGoObject(`metadata ${JSON.stringify(key)}`, text);
  return {
    name: fields.get("name", goText) ?? "",
    critical: fields.get("critical", flag) ?? false,
    hostname: fields.get("hostname", goText) ?? "",
    user: fields.get("user", goText) ?? "",
    password: fields.get("password", goText) ?? "",
    ports: fields.get("ports", goPorts) ?? {},
    public: fields.get("public", flag) ?? false,
    rest: fields.rest(),
  };
}
