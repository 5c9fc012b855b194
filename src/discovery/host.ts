import { randomUUID } from "node:crypto";
import { badArgument, requireBoolean, requireOptions, requireText } from "../util/validate.js";
import { goObject, GoFields, sortedByBytes } from "./go-json.js";
import { urlOf, type Ports, type UrlOptions } from "./url.js";

/** What a host says of itself when it registers. */
export interface HostInit {
  /** Where it is reached: from anywhere if public, else from the private network. */
  readonly hostname: string;
  readonly ports?: Ports | undefined;
  /** Absent: no credentials in URLs. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** Reachable from anywhere, and with credentials that all hosts of the service share. @default false */
  readonly public?: boolean | undefined;
  /** @default `hostname` if private, else the machine's name */
  readonly privateHostname?: string | undefined;
  /** @default `ports` */
  readonly privatePorts?: Ports | undefined;
  /** @default false */
  readonly critical?: boolean | undefined;
  /** A group of hosts inside the service. */
  readonly shard?: string | undefined;
}

/** One running host of a service, as etcd holds it. */
export interface Host extends HostInit {
  /** Of the service; "" in data of libraries before 5.0. */
  readonly name: string;
  /** The last segment of its key; absent in data of libraries before 5.0. */
  readonly uuid?: string;
  readonly ports: Ports;
  readonly public: boolean;
  readonly critical: boolean;
  /** @param scheme one of `ports`; absent or "": http, else https. @throws {DiscoveryError} `UNKNOWN_SCHEME` */
  url(scheme?: string, path?: string, options?: UrlOptions): string;
  /** The same on the private network; without a private hostname the same as `url`. @throws {DiscoveryError} `UNKNOWN_SCHEME` */
  privateUrl(scheme?: string, path?: string, options?: UrlOptions): string;
  /** The object that etcd holds, with the names and the order of the Go library. */
  toJSON(): Record<string, unknown>;
}

/** Hosts, in the order of their keys. */
export interface Hosts extends ReadonlyArray<Host> {
  /** Their private hostnames, or their hostnames, with ", " between. */
  toString(): string;
}

/** All that is stored, in the words of this package; "" and false are absent. `ports` may be null on the wire. */
interface HostFields {
  readonly hostname: string;
  readonly name: string;
  readonly ports: Ports | undefined;
  readonly user: string;
  readonly password: string;
  readonly public: boolean;
  readonly privateHostname: string;
  readonly privatePorts: Ports;
  readonly critical: boolean;
  readonly shard: string;
  readonly uuid: string;
  readonly rest: readonly (readonly [string, unknown])[];
}

/** For this folder; others see a {@link Host}. */
export class StoredHost implements Host {
  readonly hostname: string;
  readonly name: string;
  readonly ports: Ports;
  declare readonly user?: string;
  declare readonly password?: string;
  readonly public: boolean;
  declare readonly privateHostname?: string;
  declare readonly privatePorts?: Ports;
  readonly critical: boolean;
  declare readonly shard?: string;
  declare readonly uuid?: string;
  readonly #fields: HostFields;

  constructor(fields: HostFields) {
    this.#fields = fields;
    this.hostname = fields.hostname;
    this.name = fields.name;
    this.ports = Object.freeze({ ...fields.ports });
    if (fields.user !== "") this.user = fields.user;
    if (fields.password !== "") this.password = fields.password;
    this.public = fields.public;
    if (fields.privateHostname !== "") this.privateHostname = fields.privateHostname;
    if (!isEmpty(fields.privatePorts)) this.privatePorts = Object.freeze({ ...fields.privatePorts });
    this.critical = fields.critical;
    if (fields.shard !== "") this.shard = fields.shard;
    if (fields.uuid !== "") this.uuid = fields.uuid;
    Object.freeze(this);
  }

  url(scheme = "", path = "", options?: UrlOptions): string {
    return urlOf(this, scheme, path, options);
  }

  privateUrl(scheme = "", path = "", options?: UrlOptions): string {
    const { privateHostname: hostname, privatePorts: ports = {}, user, password } = this;
    return hostname === undefined
      ? this.url(scheme, path, options)
      : urlOf({ hostname, ports, user, password }, scheme, path, options);
  }

  toJSON(): Record<string, unknown> {
    const { hostname, name, ports, user, password, privateHostname, privatePorts, critical, shard, uuid, rest } =
      this.#fields;
    return {
      name: hostname,
      service_name: name,
      ports: ports === undefined ? null : { ...ports },
      ...(user !== "" && { user }),
      ...(password !== "" && { password }),
      ...(this.public && { public: true }),
      ...(privateHostname !== "" && { private_hostname: privateHostname }),
      ...(!isEmpty(privatePorts) && { private_ports: { ...privatePorts } }),
      ...(critical && { critical }),
      ...(shard !== "" && { shard }),
      ...(uuid !== "" && { uuid }),
      ...Object.fromEntries(rest),
    };
  }

  /** The same host under another key. */
  as(uuid: string): StoredHost {
    return new StoredHost({ ...this.#fields, uuid });
  }

  /** The same host with other credentials. */
  with({ user, password }: { readonly user: string; readonly password: string }): StoredHost {
    return new StoredHost({ ...this.#fields, user, password });
  }
}

/** The bytes that the Go library would write. */
export function encodeHost(host: Host): string {
  return goObject(
    Object.entries(host.toJSON()).map(([name, value]) => [
      name,
      name.endsWith("ports") && isRecord(value) ? sortedByBytes(value) : value,
    ]),
  );
}

/** @param key for messages. @throws {DiscoveryError} `DECODE` */
export function decodeHost(key: string, text: string): StoredHost {
  const fields = new GoFields(`host ${JSON.stringify(key)}`, text);
  return new StoredHost({
    hostname: fields.text("name"),
    name: fields.text("service_name"),
    ports: fields.texts("ports"),
    user: fields.text("user"),
    password: fields.text("password"),
    public: fields.flag("public"),
    privateHostname: fields.text("private_hostname"),
    privatePorts: fields.texts("private_ports") ?? {},
    critical: fields.flag("critical"),
    shard: fields.text("shard"),
    uuid: fields.text("uuid"),
    rest: fields.rest(),
  });
}

/** The host that a registration writes. @throws {UsageError} for a bad field */
export function newHost(service: string, init: HostInit, machineName: string): StoredHost {
  requireHostInit(init);
  const { hostname, ports, user = "", password = "", critical = false, shard = "" } = init;
  const isPublic = init.public ?? false;
  const privateHostname =
    [init.privateHostname ?? "", isPublic ? "" : hostname, machineName].find((name) => name !== "") ?? "";
  if (/[/\p{Cc}]/u.test(privateHostname))
    badArgument('host.privateHostname becomes part of a key and must not hold a "/" or control characters');
  const privatePorts = isEmpty(init.privatePorts ?? {}) ? ports : init.privatePorts;
  return new StoredHost({
    hostname,
    name: service,
    ports: ports && { ...ports },
    user,
    password,
    public: isPublic,
    privateHostname,
    privatePorts: { ...privatePorts },
    critical,
    shard,
    uuid: `${randomUUID()}-${privateHostname}`,
    rest: [],
  });
}

/** A list of hosts that is frozen and names them. */
export function hostList(hosts: readonly Host[]): Hosts {
  const list = [...hosts];
  Object.defineProperty(list, "toString", {
    value: () => list.map(({ privateHostname, hostname }) => privateHostname ?? hostname).join(", "),
  });
  return Object.freeze(list);
}

function requireHostInit(init: HostInit): void {
  if ((init as HostInit | undefined) === undefined) badArgument("host must be an object");
  requireOptions("host", init, hostNames);
  const { hostname, ports, privatePorts, user, password, privateHostname, shard } = init;
  for (const [name, text] of Object.entries({
    hostname,
    user: user ?? "",
    password: password ?? "",
    privateHostname: privateHostname ?? "",
    shard: shard ?? "",
  })) {
    requireText(`host.${name}`, text);
  }
  requireBoolean("host.public", init.public);
  requireBoolean("host.critical", init.critical);
  requirePorts("host.ports", ports);
  requirePorts("host.privatePorts", privatePorts);
}

function requirePorts(what: string, ports: unknown): void {
  if (ports === undefined) return;
  if (!isRecord(ports)) badArgument(`${what} must be an object of scheme: port`);
  for (const [scheme, port] of Object.entries(ports)) {
    requireText(`a scheme of ${what}`, scheme);
    requireText(`${what}.${scheme}`, port);
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEmpty(ports: Ports): boolean {
  return Object.keys(ports).length === 0;
}

/** Those of a host that was read are known too, so that it can be registered elsewhere; what they say is made anew. */
const hostNames: ReadonlySet<string> = new Set<keyof Host>([
  "hostname",
  "ports",
  "user",
  "password",
  "public",
  "privateHostname",
  "privatePorts",
  "critical",
  "shard",
  "name",
  "uuid",
]);
