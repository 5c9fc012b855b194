import type { Checks } from "../util/fields.js";
import { operationCodes, type OperationCodes } from "../util/operation-codes.js";
import { requireSignal } from "../util/validate.js";
import type { Instance, NewInstance } from "./instance.js";

/** What happened to an instance. */
export type Operation = "add" | "update" | "delete";

/**
 * The number that stands for an operation in the Go implementation: 0 add, 1 update, 2 delete. As a function,
 * `operationCode("add")`, or by name, `operationCode.add`.
 *
 * @throws {UsageError} the function, for what is not an operation
 */
export const operationCode: OperationCodes<Operation, 0 | 1 | 2> = operationCodes({ add: 0, update: 1, delete: 2 });

/** One change of a service. Frozen. */
export interface InstanceEvent {
  /** What happened to the instance. */
  readonly op: Operation;
  /** The instance as it is now; for a delete, as it was last known. */
  readonly instance: Instance;
}

/**
 * Follows the instances of one service, in batches of events. The first batch is the full set, as `add` events, and may be
 * empty; later batches never are. Replaying all batches gives the present set. For a slow reader, the pending events of one
 * instance are merged into one. Outages of the backend do not end it.
 *
 * It ends quietly by `close()`, by `break` and when its agent leaves. It throws the reason when its signal aborts, and the
 * error when the backend refuses, such as for missing rights. Close it when you are done: it shares one poll of the
 * backend with the other watchers of the service.
 */
export interface ServiceWatcher
  extends AsyncIterableIterator<readonly InstanceEvent[], undefined, AbortSignal | undefined>, AsyncDisposable {
  /**
   * Waits for the next batch.
   *
   * @throws {UsageError} `ERR_BUSY`: an earlier `next` is still waiting
   * Rejects with `signal.reason` when this call's signal aborts; nothing is lost by that.
   */
  next(signal?: AbortSignal): Promise<IteratorResult<readonly InstanceEvent[], undefined>>;
  /** The same as {@link close}; `break` calls it. */
  return(): Promise<IteratorResult<readonly InstanceEvent[], undefined>>;
  /** Ends it; a waiting `next` resolves as done. Resolves once nothing polls the backend for it. Idempotent. */
  close(): Promise<void>;
  /** Resolves, never rejects, once it has ended: to the backend's error, else to undefined. */
  readonly closed: Promise<unknown>;
  /** Returns this watcher, for `for await`. */
  [Symbol.asyncIterator](): ServiceWatcher;
}

/** Options of {@link Service.watch}. */
export interface WatchOptions {
  /** Ends the watcher when it aborts: iterating throws its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The checks of {@link WatchOptions}. */
export const watchChecks: Checks<WatchOptions> = { signal: requireSignal };

/** A snapshot of a service. One without instances is a service, too, and can be watched. Frozen. */
export interface Service {
  /** The name that its instances are registered under. */
  readonly name: string;
  /** The instances that carry all tags of the query. */
  readonly instances: readonly Instance[];
  /**
   * Watches the service, with the tags of the query. No I/O before this call has returned.
   *
   * @throws {UsageError} for a bad option; `ERR_CLOSED`: the agent is closed
   *
   * @example
   * for await (const events of service.watch({ signal })) {
   *   for (const { op, instance } of events) console.log(op, instance.addr());
   * }
   */
  watch(options?: WatchOptions): ServiceWatcher;
}

/** Options of {@link Agent.register}. */
export interface RegisterOptions {
  /** Ends the call. */
  readonly signal?: AbortSignal | undefined;
  /** Replace an instance that this agent holds under the same id. @default false */
  readonly replace?: boolean | undefined;
}

/** Options of {@link Agent.deregister}. */
export interface DeregisterOptions {
  /** Ends the call. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link Agent.service}. */
export interface QueryOptions {
  /** Only instances that carry all of these. @default [], all instances */
  readonly tags?: readonly string[] | undefined;
  /** Ends the call. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Registers the instances that this process runs, and finds those of others. The backend keeps them.
 *
 * Every call rejects with `signal.reason` when aborted, with the backend's own errors when the backend fails, and with a
 * UsageError for bad arguments and, as `ERR_CLOSED`, once the agent is closed.
 */
export interface Agent extends AsyncDisposable {
  /**
   * Registers an instance and keeps it registered. Resolves to its id once others can see it. An instance with this id that
   * another agent left behind, such as one of an earlier run, is taken over.
   *
   * @throws {AgentError} `ERR_INVALID_REGISTRATION`, before any I/O; `ERR_ALREADY_REGISTERED`; `ERR_ADVERTISE`
   *
   * @example
   * await agent.register({ name: "web", addr: "10.0.0.1", port: 80, tags: ["blue"] });
   */
  register(instance: NewInstance, options?: RegisterOptions): Promise<string>;
  /**
   * Deregisters an instance, and cancels a registration of this id that is in progress. Does nothing for an id that this
   * agent does not hold. If it rejects, the agent still holds the instance.
   */
  deregister(id: string, options?: DeregisterOptions): Promise<void>;
  /** All services that have an instance with these tags, by name. */
  services(options?: QueryOptions): Promise<ReadonlyMap<string, Service>>;
  /** One service; empty if it is unknown. */
  service(name: string, options?: QueryOptions): Promise<Service>;
  /**
   * Deregisters everything that this agent holds and ends its watchers. The agent can be used again.
   *
   * @throws {AggregateError} all failures, after every instance was tried; the agent still holds those that failed
   */
  leave(options?: DeregisterOptions): Promise<void>;
  /** Leaves, and cannot be used again. Idempotent. @throws {AggregateError} as `leave` does */
  close(): Promise<void>;
}

/** Something that went wrong in the background; the agent goes on. */
export interface AgentWarning {
  /**
   * - `SKIPPED`: an entry of the backend is not an instance and is left out
   * - `RETRYING`: the backend failed and is tried again
   * - `LEFTOVER`: an old entry could not be removed; it expires
   * - `RESTORED`: another client overwrote the entry of one of our instances; it holds our value again
   * - `TAKEN_OVER`: another process has registered an instance under this id; ours stands by until that one is gone
   */
  readonly code: "SKIPPED" | "RETRYING" | "LEFTOVER" | "RESTORED" | "TAKEN_OVER";
  /** What happened, in words. Holds no credential. */
  readonly message: string;
  /** What failed, if something did. */
  readonly cause?: unknown;
}
