/** What an update does to the state of its source: replaces all of it, adds or overwrites by key, deletes by key. */
export type Operation = "set" | "add" | "remove";

/** The numbers that other implementations give to the operations. */
export const operationCode: Readonly<Record<Operation, 0 | 1 | 2>> = Object.freeze({ set: 0, add: 1, remove: 2 });

/** Who an object is. Its key, in a source, is `namespace/name`. */
export interface ObjectMeta {
  readonly name: string;
  /** "" for objects without one. */
  readonly namespace: string;
  /** Of objects read from etcd: the `modifiedIndex` of their key. */
  readonly resourceVersion?: string | undefined;
  readonly uid?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** RFC 3339. */
  readonly creationTimestamp?: string | undefined;
  readonly selfLink?: string | undefined;
}

export type Protocol = "TCP" | "UDP";

export interface ServiceSpec {
  readonly port: number;
  readonly protocol: Protocol;
  readonly selector?: Readonly<Record<string, string>> | undefined;
  /** A number, or the name of a port. */
  readonly containerPort?: number | string | undefined;
  readonly portalIP?: string | undefined;
  readonly publicIPs?: readonly string[] | undefined;
  readonly createExternalLoadBalancer?: boolean | undefined;
  readonly sessionAffinity: "None" | "ClientIP";
}

/** A name under which something can be reached. */
export interface Service {
  readonly metadata: ObjectMeta;
  readonly spec: ServiceSpec;
}

export interface EndpointAddress {
  /** Without brackets, also for IPv6. */
  readonly ip: string;
  readonly port: number;
}

/** Where the service of the same name and namespace runs. */
export interface Endpoints {
  readonly metadata: ObjectMeta;
  readonly protocol: Protocol;
  readonly endpoints: readonly EndpointAddress[];
}

/** What sources send: an operation and its objects. `remove` looks only at their name and namespace. */
export interface ServiceUpdate {
  readonly op: Operation;
  readonly services: readonly Service[];
}

/** See {@link ServiceUpdate}. */
export interface EndpointsUpdate {
  readonly op: Operation;
  readonly endpoints: readonly Endpoints[];
}

/** Where one source puts its updates. Made by `channel` of a config. */
export interface UpdateSink<U> {
  readonly source: string;
  /**
   * Merges the update at once, and resolves when every handler has been called with the union and is done with it. A
   * handler must not wait for a `send` to its own config: that would wait for the handler.
   *
   * @throws {TypeError} the operation is none
   * @throws {UsageError} the update is malformed; `ERR_CLOSED`: the sink or its config is closed
   */
  send(update: U): Promise<void>;
  /** Takes no more updates and keeps the state of the source; `channel` then makes a new sink over it. Idempotent. */
  close(): void;
  /** Closes, drops the state of the source, and resolves when the handlers have been told. Idempotent. */
  remove(): Promise<void>;
}

/** Gets the whole union after every update, in an array of its own; the objects in it are frozen. */
export type Handler<T> =
  { onUpdate(items: readonly T[]): void | Promise<void> } | ((items: readonly T[]) => void | Promise<void>);

/** Something that a source could not use; it keeps what it had, and goes on. */
export interface Warning {
  /** Never holds a stored value. */
  readonly message: string;
  /** The etcd key, or the file. Absent for failures that belong to none, such as an outage. */
  readonly key?: string;
  readonly error: unknown;
}
