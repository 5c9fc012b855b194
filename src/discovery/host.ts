import { randomUUID } from "node:crypto";
import { optional, requireFields, anything, type Check, type Checks } from "../util/fields.js";
import { isObject } from "../util/is-object.js";
import { flag } from "../util/reader.js";
import { badArgument, requireBoolean, requireText } from "../util/validate.js";
import { goObject, goPorts, goText, readGoObject, sortedByBytes } from "./go-json.js";
import { urlOf, type Ports, type UrlOptions } from "./url.js";

/** What a host registers with. */
export interface HostInit {
  /** Where the host is reached: from anywhere if public, else from the private network. */
  readonly hostname: string;
  /** Which port speaks which scheme. Absent: none. */
  readonly ports?: Ports | undefined;
  /** Absent: no credentials in URLs. */
  readonly user?: string | undefined;
  /** Absent: an empty one. */
  readonly password?: string | undefined;
  /** Whether it is reachable from anywhere, with credentials that all hosts of the service share. @default false */
  readonly public?: boolean | undefined;
  /** The host's name on the private network. @default `hostname` if private, else the machine's name */
  readonly privateHostname?: string | undefined;
  /** Which port speaks which scheme on the private network. @default `ports` */
  readonly privatePorts?: Ports | undefined;
  /** Whether the service is critical; only stored. @default false */
  readonly critical?: boolean | undefined;
  /** A group of hosts within the service. Absent: none. */
  readonly shard?: string | undefined;
}

/** One running host of a service, as etcd holds it. Frozen. */
export interface Host extends HostInit {
  /** The name of the service; "" in data of libraries before 5.0. */
  readonly name: string;
  /** The last segment of the host's key; absent in data of libraries before 5.0. */
  readonly uuid?: string;
  /** Which port speaks which scheme; empty if there is none. */
  readonly ports: Ports;
  /** Whether it is reachable from anywhere. */
  readonly public: boolean;
  /** Whether the service is critical. */
  readonly critical: boolean;
  /**
   * A URL of the host.
   *
   * @param scheme one of `ports`; absent or "": http, else https
   * @param path gets a leading "/" if it has none
   * @throws {DiscoveryError} `ERR_UNKNOWN_SCHEME`
   */
  url(scheme?: string, path?: string, options?: UrlOptions): string;
  /** The same on the private network; without a private hostname the same as {@link url}. @throws {DiscoveryError} `ERR_UNKNOWN_SCHEME` */
  privateUrl(scheme?: string, path?: string, options?: UrlOptions): string;
  /** The object that etcd holds, with the names and in the order of the Go library. */
  toJSON(): Record<string, unknown>;
}

/** Hosts in the order of their keys. Frozen. */
export interface Hosts extends ReadonlyArray<Host> {
  /** Their private hostnames, else their hostnames, separated by ", ". */
  toString(): string;
}

/** Everything that is stored, by the names of this package; "" and false are absent on the wire, undefined `ports` are null. */
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

/** A host inside this room; other rooms see a {@link Host}. */
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

/** The value of a host's key: the bytes that the Go library would write. */
export function encodeHost(host: Host): string {
  return goObject(
    Object.entries(host.toJSON()).map(([name, value]) => [
      name,
      name.endsWith("ports") && isObject(value) ? sortedByBytes(value) : value,
    ]),
  );
}

/**
 * Reads a host.
 *
 * @param key names it in messages
 * @throws {DiscoveryError} `ERR_DECODE`
 */
export function readHost(key: string, text: string): StoredHost {
  const fields = readGoObject(`host ${JSON.stringify(key)}`, text);
  return new StoredHost({
    hostname: fields.get("name", goText) ?? "",
    name: fields.get("service_name", goText) ?? "",
    ports: fields.get("ports", goPorts),
    user: fields.get("user", goText) ?? "",
    password: fields.get("password", goText) ?? "",
    public: fields.get("public", flag) ?? false,
    privateHostname: fields.get("private_hostname", goText) ?? "",
    privatePorts: fields.get("private_ports", goPorts) ?? {},
    critical: fields.get("critical", flag) ?? false,
    shard: fields.get("shard", goText) ?? "",
    uuid: fields.get("uuid", goText) ?? "",
    rest: fields.rest(),
  });
}

/**
 * Reads the value of a host's key, as the Go library writes it.
 *
 * @example
 * const host = decodeHost((await keys.get("/services/api/1")).node.value);
 * @throws {DiscoveryError} `ERR_DECODE`; the message does not quote the text
 * @throws {UsageError} `text` is not a string
 */
export function decodeHost(text: string): Host {
  requireText("text", text);
  return readHost("", text);
}

/** How {@link createHost} fills in what is not given. */
export interface CreateHostOptions {
  /** The last segment of the key. @default a random UUID, "-", and the private hostname */
  readonly uuid?: string | undefined;
  /** The name of the machine: the default of a public host's private hostname. @default "" */
  readonly machineName?: string | undefined;
}

/**
 * Makes a host without registering it, for tests, and for programs that write hosts themselves: `encodeHost` makes the
 * value of its key.
 *
 * @param service the name of the service
 * @throws {UsageError} for a bad field
 */
export function createHost(service: string, init: HostInit, options: CreateHostOptions = {}): Host {
  requireText("service", service);
  requireFields("options", options, createHostChecks);
  const host = newHost(service, init, options.machineName ?? "");
  return options.uuid === undefined ? host : host.as(options.uuid);
}

/** The host that a registration writes. @throws {UsageError} for a bad field */
export function newHost(service: string, init: HostInit, machineName: string): StoredHost {
  requireHostInit(init);
  const { hostname, ports, user = "", password = "", critical = false, shard = "" } = init;
  const isPublic = init.public ?? false;
  const privateHostname =
    [init.privateHostname ?? "", isPublic ? "" : hostname, machineName].find((name) => name !== "") ?? "";
  if (/[/\p{Cc}]/u.test(privateHostname))
    badArgument('host.privateHostname becomes part of a key and must not contain a "/" or control characters');
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
  requireFields("host", init, hostChecks);
}

const requirePorts: Check = (what, ports) => {
  if (!isObject(ports)) badArgument(`${what} must be an object of scheme: port`);
  for (const [scheme, port] of Object.entries(ports)) {
    requireText(`a scheme of ${what}`, scheme);
    requireText(`${what}.${scheme}`, port);
  }
};

function isEmpty(ports: Ports): boolean {
  return Object.keys(ports).length === 0;
}

/**
 * Accepts the fields of a host that was read, too, so that it can be registered elsewhere; name and uuid are then
 * replaced.
 */
const hostChecks: Checks<Host> = {
  hostname: requireText,
  ports: optional(requirePorts),
  user: optional(requireText),
  password: optional(requireText),
  public: requireBoolean,
  privateHostname: optional(requireText),
  privatePorts: optional(requirePorts),
  critical: requireBoolean,
  shard: optional(requireText),
  name: anything,
  uuid: anything,
  url: anything,
  privateUrl: anything,
  toJSON: anything,
};

const createHostChecks: Checks<CreateHostOptions> = {
  uuid: optional(requireText),
  machineName: optional(requireText),
};
