import type { Instance, NewInstance } from "./instance.js";

/** What happened to an instance. */
export type Operation = "add" | "update" | "delete";

const operationCodes = { add: 0, update: 1, delete: 2 } as const satisfies Record<Operation, number>;

/** The number of an operation, as other implementations send it: 0 add, 1 update, 2 delete. */
export function operationCode(op: Operation): number {
  return operationCodes[op];
}

/** One change of a service. */
export interface InstanceEvent {
  readonly op: Operation;
  /** As it is now; of a delete, as it was known last. */
  readonly instance: Instance;
}

/**
 * Hands out what happens to the instances of one service, in batches. The first batch is the full set as `add` events, and
 * may be empty; later ones never are. Folding all batches gives the present set. To a slow reader the pending events of one
 * instance are merged into one. Outages of the backend do not end it.
 *
 * Ends normally by `close`, by `break`, when its signal aborts, and when its agent leaves; throws when the backend refuses
 * for good, for want of rights say. Close it: it shares one poll of the backend with the other watchers of the service.
 */
export interface ServiceWatcher
  extends AsyncIterableIterator<readonly InstanceEvent[], undefined, AbortSignal | undefined>, AsyncDisposable {
  /**
   * Waits for the next batch.
   *
   * @throws {UsageError} `ERR_BUSY`: an earlier `next` is still waiting
   * Rejects with `signal.reason` when aborted; nothing is lost by that.
   */
  next(signal?: AbortSignal): Promise<IteratorResult<readonly InstanceEvent[], undefined>>;
  return(): Promise<IteratorResult<readonly InstanceEvent[], undefined>>;
  /** Ends it; a waiting `next` resolves as done. Idempotent. */
  close(): Promise<void>;
  /** Resolves, never rejects, when it has ended: to the error that ended it, or undefined. */
  readonly closed: Promise<unknown>;
  [Symbol.asyncIterator](): ServiceWatcher;
}

export interface WatchOptions {
  /** Closes the watcher. */
  readonly signal?: AbortSignal | undefined;
}

/** A service as it was when it was asked for; one without instances is still a service, and can be watched. */
export interface Service {
  readonly name: string;
  /** Those that carry all tags that were asked for. */
  readonly instances: readonly Instance[];
  /** Watches it, by the same tags. No I/O before the watcher's first `next`. @throws {UsageError} `ERR_CLOSED`: the agent is closed */
  watch(options?: WatchOptions): ServiceWatcher;
}

export interface RegisterOptions {
  readonly signal?: AbortSignal | undefined;
  /** Takes the place of an instance that this agent registered under the same id. @default false */
  readonly replace?: boolean | undefined;
}

export interface DeregisterOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface QueryOptions {
  /** Only instances that carry all of these. @default [], all instances */
  readonly tags?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Registers the instances that this process runs, and finds those of others; what keeps them is the backend's matter.
 * Every call rejects with `signal.reason` when aborted, with the backend's own errors when it fails, and with `UsageError`
 * for bad arguments and when the agent is closed.
 */
export interface Agent extends AsyncDisposable {
  /**
   * Registers an instance and keeps it there; resolves to its id once others can see it. An instance with this id that was
   * left behind by another agent, such as the one of an earlier run, is taken over.
   *
   * @throws {AgentError} `INVALID_REGISTRATION`, before any I/O; `ALREADY_REGISTERED`; `ADVERTISE`
   */
  register(instance: NewInstance, options?: RegisterOptions): Promise<string>;
  /** Takes an instance back. An id that this agent does not hold is no error; one whose removal fails stays held. */
  deregister(id: string, options?: DeregisterOptions): Promise<void>;
  /** All services that have an instance with those tags, by name. */
  services(options?: QueryOptions): Promise<ReadonlyMap<string, Service>>;
  /** One service; unknown ones are empty. */
  service(name: string, options?: QueryOptions): Promise<Service>;
  /**
   * Takes back all that this agent registered, and ends its watchers; it can be used again.
   *
   * @throws {AggregateError} of what failed, after all were tried; what could not be taken back stays held
   */
  leave(options?: DeregisterOptions): Promise<void>;
  /** Leaves for good. Idempotent. @throws {AggregateError} as `leave` does */
  close(): Promise<void>;
}

/** What an agent cannot tell by rejecting: it goes on. */
export interface AgentWarning {
  /**
   * - `SKIPPED`: an entry of the backend is not an instance, and is left out
   * - `RETRYING`: the backend failed, and is tried again
   * - `LEFTOVER`: an old entry could not be removed, and expires
   * - `RESTORED`: somebody overwrote the entry of an instance of ours; it holds our value again
   * - `TAKEN_OVER`: another process has registered an instance under this id; ours stands by until that one is gone
   */
  readonly code: "SKIPPED" | "RETRYING" | "LEFTOVER" | "RESTORED" | "TAKEN_OVER";
  readonly message: string;
  readonly cause?: unknown;
}
