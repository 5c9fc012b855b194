import type { Sender } from "../http/exchange.js";
import type { Candidate } from "../election/lock.js";

/** What every call takes. */
export interface RequestOptions {
  /** Absent or "": the agent's own datacenter. */
  readonly dc?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface MembersOptions extends RequestOptions {
  /** The servers of all datacenters, in place of the members of this one. @default false */
  readonly wan?: boolean | undefined;
}

export interface ServiceOptions extends RequestOptions {
  /** Only instances that carry all of these; servers before 1.3 heed one. @default [] */
  readonly tags?: readonly string[] | undefined;
}

/** A Consul agent, as it or the membership shows it. */
export interface AgentInfo {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly tags: Readonly<Record<string, string>>;
}

/** A node of the catalog. */
export interface Node {
  readonly name: string;
  readonly address: string;
  readonly taggedAddresses: Readonly<Record<string, string>>;
}

/** A node, and its services by id. */
export interface NodeInfo {
  readonly node: Node;
  readonly services: Readonly<Record<string, NodeService>>;
}

export interface NodeService {
  readonly id: string;
  readonly service: string;
  readonly tags: readonly string[];
  readonly port: number;
}

/** An instance of a service, with its node. */
export interface ServiceInstance {
  readonly node: string;
  /** The node's. */
  readonly address: string;
  readonly taggedAddresses: Readonly<Record<string, string>>;
  readonly serviceId: string;
  readonly serviceName: string;
  readonly serviceTags: readonly string[];
  /** "" when it is the node's. */
  readonly serviceAddress: string;
  readonly servicePort: number;
  /** Where it is reached: its own address, or else its node's. */
  effectiveAddress(): string;
}

/** A session's id. */
export type SessionId = string & { readonly __brand: "SessionId" };

/** What becomes of the keys that a session holds when it ends. */
export type SessionTerminationBehavior = "release" | "delete";

export const SESSION_RELEASE = "release" satisfies SessionTerminationBehavior;
export const SESSION_DELETE = "delete" satisfies SessionTerminationBehavior;
/** In ms, like the others; both ends of a range are included. */
export const SESSION_MINIMUM_TTL_MS = 10_000;
export const SESSION_MAXIMUM_TTL_MS = 86_400_000;
export const SESSION_MINIMUM_LOCK_DELAY_MS = 0;
export const SESSION_MAXIMUM_LOCK_DELAY_MS = 60_000;

export interface SessionConfig {
  /** The node that the session belongs to; it ends when the node fails. */
  readonly node: string;
  /** For people. */
  readonly name: string;
  /** How long a key stays closed after its holder's session has ended, in ms; 0 to 60000. */
  readonly lockDelayMs: number;
  /** How long it lives after it was created or renewed, in ms; 10000 to 86400000. Consul may take up to twice as long. Absent: no limit. */
  readonly ttlMs?: number | undefined;
  readonly behavior: SessionTerminationBehavior;
}

/**
 * The agent that the client talks to. Like all calls of the client these reject with `RequestError` when Consul refuses,
 * `EndpointError` when the network fails, `ConsulError` `TIMEOUT` or `DECODE`, `UsageError` for bad arguments, and with
 * `signal.reason` when aborted.
 */
export interface Agent {
  self(options?: RequestOptions): Promise<AgentInfo>;
  members(options?: MembersOptions): Promise<AgentInfo[]>;
  /** Makes it read its configuration again. */
  reload(options?: RequestOptions): Promise<void>;
  /** Takes its node out of all healthy services, or in again. @param reason for people; absent or "": none */
  maintenanceMode(enabled: boolean, reason?: string, options?: RequestOptions): Promise<void>;
}

/** What all agents together know. */
export interface Catalog {
  /** In the server's order: nearest first. */
  datacenters(options?: RequestOptions): Promise<string[]>;
  nodes(options?: RequestOptions): Promise<Node[]>;
  /** @throws {NotFoundError} */
  node(name: string, options?: RequestOptions): Promise<NodeInfo>;
  /** The tags of each service, sorted by bytes. */
  services(options?: RequestOptions): Promise<Record<string, string[]>>;
  /** The instances of a service; none when it is unknown. */
  service(name: string, options?: ServiceOptions): Promise<ServiceInstance[]>;
}

/** Keys and values. One `/` at the front of a path makes no difference; empty segments, `.` and `..` cannot be addressed. */
export interface KV {
  /** The value as text. @throws {NotFoundError} @throws {ConsulError} `DECODE`: it is not UTF-8 */
  get(path: string, options?: RequestOptions): Promise<string>;
  /** @throws {NotFoundError} */
  getBytes(path: string, options?: RequestOptions): Promise<Uint8Array>;
  put(path: string, value: string | Uint8Array, options?: RequestOptions): Promise<void>;
  /** A key that is absent is no error. */
  delete(path: string, options?: RequestOptions): Promise<void>;
  /** All keys that begin with this text, sorted by bytes; "" for all there are. @throws {NotFoundError} when there is none */
  keys(path: string, options?: RequestOptions): Promise<string[]>;
  /** All keys that begin with this text, with their values as text, sorted by bytes. @throws {NotFoundError} when there is none @throws {ConsulError} `DECODE` */
  recurse(path: string, options?: RequestOptions): Promise<[key: string, value: string][]>;
}

export interface Session {
  /** @throws {UsageError} for a config out of range, before any I/O */
  createSession(config: SessionConfig, options?: RequestOptions): Promise<SessionId>;
  /** An unknown session is no error. */
  deleteSession(id: SessionId, options?: RequestOptions): Promise<void>;
  /** @throws {NotFoundError} */
  readSession(id: SessionId, options?: RequestOptions): Promise<SessionConfig>;
  listSessions(node: string, options?: RequestOptions): Promise<Map<SessionId, SessionConfig>>;
  /** Resolves to the TTL that counts from now, in ms; `Infinity` for a session without one. @throws {NotFoundError} */
  renewSession(id: SessionId, options?: RequestOptions): Promise<number>;
}

/** A client of one Consul agent. */
export interface ConsulClient extends Agent, Catalog, KV, Session, Candidate, Sender, AsyncDisposable {
  /**
   * Sends one request, with the token and within the time limit, for calls that the client lacks. Resolves to whatever is
   * answered, redirects followed.
   *
   * @throws {EndpointError} the network failed
   * @throws {ConsulError} `TIMEOUT`
   */
  send: Sender["send"];
  /** Ends the calls in flight, which reject with a `UsageError` `ERR_CLOSED`, and lets go of all sockets. Close leader sessions before. Idempotent. */
  close(): Promise<void>;
}
