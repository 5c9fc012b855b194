import type { Sender } from "../http/exchange.js";
import type { Candidate } from "../election/lock.js";

/** Options of every call. */
export interface RequestOptions {
  /** The datacenter that the call is about. @default the agent's own */
  readonly dc?: string | undefined;
  /** Aborts the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link Agent.members}. */
export interface MembersOptions extends RequestOptions {
  /** The servers of all datacenters, in place of the members of this one. @default false */
  readonly wan?: boolean | undefined;
}

/** Options of {@link Catalog.service}. */
export interface ServiceOptions extends RequestOptions {
  /** Only instances that carry all of these. Servers before 1.3 look at one of them only. @default [] */
  readonly tags?: readonly string[] | undefined;
}

/** A Consul agent, as it describes itself or as the membership lists it. */
export interface AgentInfo {
  /** The name of its node. */
  readonly name: string;
  /** Where other agents reach it. */
  readonly address: string;
  /** Its gossip port. */
  readonly port: number;
  /** Facts that agents exchange, such as `dc` and `role`. */
  readonly tags: Readonly<Record<string, string>>;
}

/** A node of the catalog. */
export interface Node {
  /** Unique in the datacenter. */
  readonly name: string;
  /** Where the other nodes reach it. */
  readonly address: string;
  /** Its addresses by purpose, such as `lan` and `wan`. */
  readonly taggedAddresses: Readonly<Record<string, string>>;
}

/** A node, and its services by id. */
export interface NodeInfo {
  /** The node itself. */
  readonly node: Node;
  /** By id. */
  readonly services: Readonly<Record<string, NodeService>>;
}

/** An instance of a service, without its node. */
export interface NodeService {
  /** Unique on its node. */
  readonly id: string;
  /** The name of the service. */
  readonly service: string;
  /** Free labels; a query can ask for one. */
  readonly tags: readonly string[];
  /** Where it listens; 0 if it was registered without a port. */
  readonly port: number;
}

/** An instance of a service, with its node. */
export interface ServiceInstance {
  /** The name of its node. */
  readonly node: string;
  /** The address of its node. */
  readonly address: string;
  /** The node's addresses by purpose. */
  readonly taggedAddresses: Readonly<Record<string, string>>;
  /** Unique on its node, but not within the datacenter. */
  readonly serviceId: string;
  /** The name of the service. */
  readonly serviceName: string;
  /** Free labels; a query can ask for one. */
  readonly serviceTags: readonly string[];
  /** Its own address; "" if it has the node's. */
  readonly serviceAddress: string;
  /** Where it listens; 0 if it was registered without a port. */
  readonly servicePort: number;
  /** The address to connect to: its own, or else its node's. */
  effectiveAddress(): string;
}

/** The id of a session. */
export type SessionId = string & { readonly __brand: "SessionId" };

/** What happens to the keys that a session holds when it ends. */
export type SessionTerminationBehavior = "release" | "delete";

/** The keys stay, without a holder. */
export const SESSION_RELEASE = "release" satisfies SessionTerminationBehavior;
/** The keys are deleted. */
export const SESSION_DELETE = "delete" satisfies SessionTerminationBehavior;
/** The shortest TTL of a session that Consul accepts, in ms. */
export const SESSION_MINIMUM_TTL_MS = 10_000;
/** The longest TTL of a session that Consul accepts, in ms. */
export const SESSION_MAXIMUM_TTL_MS = 86_400_000;
/** The shortest lock-delay of a session, in ms. */
export const SESSION_MINIMUM_LOCK_DELAY_MS = 0;
/** The longest lock-delay of a session that Consul accepts, in ms. */
export const SESSION_MAXIMUM_LOCK_DELAY_MS = 60_000;

/** A session to create, or as it was read. */
export interface SessionConfig {
  /** The node that the session belongs to. It ends when the node fails. */
  readonly node: string;
  /** A name for people. */
  readonly name: string;
  /** How long a key cannot be acquired after its holder's session has ended, in ms; 0 to 60000. */
  readonly lockDelayMs: number;
  /** How long it lives after it was created or renewed, in ms; 10000 to 86400000. Consul may take up to twice as long. Absent: no limit. */
  readonly ttlMs?: number | undefined;
  /** What happens to its keys when it ends. */
  readonly behavior: SessionTerminationBehavior;
}

/**
 * Calls about the agent that the client talks to. Like all calls of the client they reject with `RequestError` if Consul
 * refuses, `EndpointError` if the network fails, `ConsulError` `ERR_TIMEOUT` or `ERR_DECODE`, `UsageError` for bad
 * arguments (before any I/O), and with `signal.reason` when aborted.
 */
export interface Agent {
  /** Reads what the agent reports about itself. */
  self(options?: RequestOptions): Promise<AgentInfo>;
  /** Lists the agents of the datacenter. */
  members(options?: MembersOptions): Promise<AgentInfo[]>;
  /** Makes the agent read its configuration again. */
  reload(options?: RequestOptions): Promise<void>;
  /** Takes the agent's node out of all healthy services, or back in. @param reason for people. @default none */
  maintenanceMode(enabled: boolean, reason?: string, options?: RequestOptions): Promise<void>;
}

/**
 * Calls about the catalog: what all agents together know. Names must not contain empty segments, `.` or `..`. Calls
 * reject as those of {@link Agent} do.
 */
export interface Catalog {
  /** Lists the datacenters in the server's order: nearest first. */
  datacenters(options?: RequestOptions): Promise<string[]>;
  /** Lists the nodes of a datacenter. */
  nodes(options?: RequestOptions): Promise<Node[]>;
  /** Reads a node and its services. @throws {NotFoundError} */
  node(name: string, options?: RequestOptions): Promise<NodeInfo>;
  /** Lists the services, each with its tags, sorted by bytes. */
  services(options?: RequestOptions): Promise<Record<string, string[]>>;
  /** Lists the instances of a service, healthy or not. [] for an unknown one. */
  service(name: string, options?: ServiceOptions): Promise<ServiceInstance[]>;
}

/**
 * Calls about keys and values. A `/` in front of a path is ignored. Empty segments, `.` and `..` cannot be addressed.
 * Calls reject as those of {@link Agent} do.
 */
export interface KV {
  /** Reads a value as text. @throws {NotFoundError} @throws {ConsulError} `ERR_DECODE`: it is not UTF-8 */
  get(path: string, options?: RequestOptions): Promise<string>;
  /** Reads a value. @throws {NotFoundError} */
  getBytes(path: string, options?: RequestOptions): Promise<Uint8Array>;
  /** Writes a value, also if a session holds the key. */
  put(path: string, value: string | Uint8Array, options?: RequestOptions): Promise<void>;
  /** Deletes a key. Succeeds if there is none. */
  delete(path: string, options?: RequestOptions): Promise<void>;
  /** Lists all keys that begin with this text, sorted by bytes; "" for all there are. @throws {NotFoundError} if there is none */
  keys(path: string, options?: RequestOptions): Promise<string[]>;
  /** Reads all keys that begin with this text, with their values as text, sorted by bytes. @throws {NotFoundError} if there is none @throws {ConsulError} `ERR_DECODE` */
  recurse(path: string, options?: RequestOptions): Promise<[key: string, value: string][]>;
}

/** Calls about sessions. They reject as those of {@link Agent} do. */
export interface Session {
  /** Creates a session. */
  createSession(config: SessionConfig, options?: RequestOptions): Promise<SessionId>;
  /** Ends a session. Succeeds if there is none. */
  deleteSession(id: SessionId, options?: RequestOptions): Promise<void>;
  /** Reads a session. @throws {NotFoundError} */
  readSession(id: SessionId, options?: RequestOptions): Promise<SessionConfig>;
  /** Lists the sessions of a node. */
  listSessions(node: string, options?: RequestOptions): Promise<Map<SessionId, SessionConfig>>;
  /** Renews a session. Resolves to the TTL that counts from now, in ms; `Infinity` for a session without one. @throws {NotFoundError} */
  renewSession(id: SessionId, options?: RequestOptions): Promise<number>;
}

/** A client of one Consul agent. */
export interface ConsulClient extends Agent, Catalog, KV, Session, Candidate, Sender, AsyncDisposable {
  /**
   * Sends one request, with the token and within the time limit, for calls that the client lacks. Resolves to any response,
   * after redirects within the agent. A write that is redirected to another path, or to another server, rejects.
   *
   * @throws {EndpointError} the network failed, or the redirect was refused
   * @throws {ConsulError} `ERR_TIMEOUT`
   */
  send: Sender["send"];
  /** Ends the calls in progress, which reject with a `UsageError` `ERR_CLOSED`, and closes all sockets. Close leader sessions before. Idempotent. */
  close(): Promise<void>;
}
