import { operationCodes, type OperationCodes } from "../util/operation-codes.js";

/** What an update does to the state of its source: `set` replaces all of it, `add` adds or overwrites by key, `remove` deletes by key. */
export type Operation = "set" | "add" | "remove";

/**
 * The number that stands for an operation in the Go implementation: 0 set, 1 add, 2 remove. As a function,
 * `operationCode("set")`, or by name, `operationCode.set`.
 *
 * @throws {UsageError} the function, for what is not an operation
 */
export const operationCode: OperationCodes<Operation, 0 | 1 | 2> = operationCodes({ set: 0, add: 1, remove: 2 });

/** The name of an object, and other facts about it. Its key within a source is `namespace/name`. */
export interface ObjectMeta {
  /** The name, unique within the namespace. */
  readonly name: string;
  /** "" for objects without one. */
  readonly namespace: string;
  /** The version; for objects read from etcd the `modifiedIndex` of their key. */
  readonly resourceVersion?: string | undefined;
  /** An identity that is never used again. */
  readonly uid?: string | undefined;
  /** Labels to select objects by. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Notes of other programs. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** When it was created, as RFC 3339. */
  readonly creationTimestamp?: string | undefined;
  /** The path of the object in its API. */
  readonly selfLink?: string | undefined;
}

/** The protocol of a port. */
export type Protocol = "TCP" | "UDP";

/** How a service is reached. */
export interface ServiceSpec {
  /** The port of the service; 0 if it has none. */
  readonly port: number;
  /** The protocol of the port. */
  readonly protocol: Protocol;
  /** The labels of the containers behind it. */
  readonly selector?: Readonly<Record<string, string>> | undefined;
  /** The port of the containers: a number, or its name. */
  readonly containerPort?: number | string | undefined;
  /** The virtual address of the service. */
  readonly portalIP?: string | undefined;
  /** Addresses that are reachable from outside. */
  readonly publicIPs?: readonly string[] | undefined;
  /** Whether a load balancer of the cloud provider is wanted. */
  readonly createExternalLoadBalancer?: boolean | undefined;
  /** Whether requests of one client go to the same endpoint. */
  readonly sessionAffinity: "None" | "ClientIP";
}

/** A service, as a registry describes it. */
export interface Service {
  /** Its name, and other facts about it. */
  readonly metadata: ObjectMeta;
  /** How it is reached. */
  readonly spec: ServiceSpec;
}

/** Where one copy of a service runs. */
export interface EndpointAddress {
  /** The IP address, without brackets also for IPv6. Stored text: check it before use. */
  readonly ip: string;
  /** The port, 0 to 65535. */
  readonly port: number;
}

/** Where the service of the same name and namespace runs. */
export interface Endpoints {
  /** The name of the service, and other facts about the object. */
  readonly metadata: ObjectMeta;
  /** The protocol of the ports. */
  readonly protocol: Protocol;
  /** The addresses; may be empty. */
  readonly endpoints: readonly EndpointAddress[];
}

/** What sources send: an operation and its objects. `remove` uses only their name and namespace. */
export interface ServiceUpdate {
  /** What to do. */
  readonly op: Operation;
  /** With which objects. */
  readonly services: readonly Service[];
}

/** See {@link ServiceUpdate}. */
export interface EndpointsUpdate {
  /** What to do. */
  readonly op: Operation;
  /** With which objects. */
  readonly endpoints: readonly Endpoints[];
}

/** Where one source sends its updates. Made by `channel()` of a config. */
export interface UpdateSink<U> {
  /** The name of the source. */
  readonly source: string;
  /**
   * Merges the update at once, and resolves when every handler has been called with the union and is done with it. A
   * handler must not wait for a `send` to its own config: that would wait for the handler.
   *
   * @throws {TypeError} the operation does not exist
   * @throws {UsageError} the update is malformed; `ERR_CLOSED`: the sink or its config is closed
   */
  send(update: U): Promise<void>;
  /** Takes no more updates and keeps the state of the source; `channel()` then makes a new sink over it. Idempotent. */
  close(): void;
  /**
   * Closes, drops the state of the source, and resolves when the handlers have been called. Idempotent. @throws
   * {UsageError} `ERR_CLOSED`: the config was closed meanwhile
   */
  remove(): Promise<void>;
}

/** Called with the whole union after every update, in an array of its own; the objects in it are frozen. */
export type Handler<T> =
  { onUpdate(items: readonly T[]): void | Promise<void> } | ((items: readonly T[]) => void | Promise<void>);

/** Something that a source cannot use, or that failed and is tried again; the source keeps what it had, and goes on. */
export interface Warning {
  /** What happened. Never contains a stored value. */
  readonly message: string;
  /** The key in etcd, or the path of the file. Absent for failures without one, such as an outage. */
  readonly key?: string;
  /** What failed. */
  readonly error: unknown;
}
