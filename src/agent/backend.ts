import type { InstanceData } from "./instance.js";

/** Keeps instances. `createBackendAgent` makes an agent of it. */
export interface Backend {
  /** The host of new instances that specify none. @default "" */
  readonly nodeAddress?: string | undefined;
  /** Makes an id for a new instance that specifies none. @default a random UUID */
  newId?(host: string): string;
  /**
   * Writes an instance, over whatever is there, and keeps it until the handle's `remove`. If it rejects, nothing new stays.
   *
   * @param options `replaced`: the handle with the same id that this one replaces; it goes on if this rejects
   */
  add(
    instance: InstanceData,
    options: { readonly signal: AbortSignal; readonly replaced?: HeldInstance | undefined },
  ): Promise<HeldInstance>;
  /**
   * Reads instances. If it rejects, the caller's query does.
   *
   * @param name undefined: those of all services
   */
  list(name: string | undefined, signal: AbortSignal | undefined): Promise<readonly InstanceData[]>;
  /** Whether an entry with the id and the service of an instance of ours can be that instance. Absent: always. */
  isLocal?(data: InstanceData): boolean;
  /** Follows one service. No I/O. */
  source(name: string): InstanceSource;
}

/** An instance that a backend keeps. */
export interface HeldInstance {
  /** Deregisters the instance. Called again if it rejects; succeeds if the instance is already gone. */
  remove(): Promise<void>;
}

/** The instances of one service, pulled. It holds no resource between calls. */
export interface InstanceSource {
  /**
   * The first call, and the first after `reread`, reads and resolves to the state; others wait for a change. It retries by
   * itself during outages. What it rejects with, other than the signal's reason, ends the watchers.
   */
  next(signal: AbortSignal): Promise<SourceUpdate>;
  /** Makes the next call read. */
  reread(): void;
}

/**
 * `state`: the whole set; `changes`: what changed since the last update, in order. The `id` of a removal is the instance's
 * key, if it has one.
 */
export type SourceUpdate =
  | { readonly kind: "state"; readonly instances: readonly InstanceData[] }
  | { readonly kind: "changes"; readonly changes: readonly SourceChange[] };

/** One change of a service's instances. */
export type SourceChange =
  { readonly type: "set"; readonly instance: InstanceData } | { readonly type: "remove"; readonly id: string };
