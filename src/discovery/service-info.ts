import { goObject, GoFields, sortedByBytes } from "./go-json.js";
import type { Host } from "./host.js";
import type { Ports } from "./url.js";

/** What etcd holds per service. A private service says only its name and whether it is critical. */
export interface ServiceInfo {
  /** "" in data of libraries before 4.1. */
  readonly name: string;
  readonly critical: boolean;
  readonly hostname: string;
  readonly user: string;
  readonly password: string;
  readonly ports: Ports;
  readonly public: boolean;
  /** Fields that we do not know. */
  readonly rest: readonly (readonly [string, unknown])[];
}

/** What a host writes about its service when it registers. */
export function infoOf(host: Host): ServiceInfo {
  const { name, critical, hostname, user = "", password = "", ports } = host;
  return host.public
    ? { name, critical, hostname, user, password, ports, public: true, rest: [] }
    : { ...emptyInfo(name), critical };
}

/** A service of which nothing is known. */
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

/** @param key for messages. @throws {DiscoveryError} `DECODE` */
export function decodeInfo(key: string, text: string): ServiceInfo {
  const fields = new GoFields(`metadata ${JSON.stringify(key)}`, text);
  return {
    name: fields.text("name"),
    critical: fields.flag("critical"),
    hostname: fields.text("hostname"),
    user: fields.text("user"),
    password: fields.text("password"),
    ports: fields.texts("ports") ?? {},
    public: fields.flag("public"),
    rest: fields.rest(),
  };
}
