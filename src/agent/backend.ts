import type { InstanceData } from "./instance.js";

/** Where instances are kept: what `createBackendAgent` makes an agent of. */
export interface Backend {
  /** The host of new instances that give none. @default "" */
  readonly nodeAddress?: string | undefined;
  /** Makes an id for a new instance that gives none. @default a random UUID */
  newId?(host: string): string;
  /**
   * Writes an instance, over whatever is there, and keeps it until the handle's `remove`. When it rejects, nothing new stays.
   *
   * @param options `replaced`: the handle of the same id, which this takes the place of, and which goes on when this rejects
   */
  add(
    instance: InstanceData,
    options: { readonly signal: AbortSignal; readonly replaced?: HeldInstance | undefined },
  ): Promise<HeldInstance>;
  /** All instances, or those of one service. */
  list(name: string | undefined, signal: AbortSignal | undefined): Promise<readonly InstanceData[]>;
  /** Follows one service. No I/O. */
  source(name: string): InstanceSource;
}

/** An instance that a backend keeps alive. */
export interface HeldInstance {
  /** Takes it out. Called again when it rejected; an instance that is gone already is no error. */
  remove(): Promise<void>;
}

/** The instances of one service, pulled. Holds no resource between calls. */
export interface InstanceSource {
  /**
   * The first call, and the first after `reread`, reads, and resolves to the state; others wait for something to happen.
   * Outages are its own matter: it tries again until it is told to stop. What it rejects with ends the watchers.
   */
  next(signal: AbortSignal): Promise<SourceUpdate>;
  /** Makes the next call read. */
  reread(): void;
}

/** `state`: the whole set; `changes`: since the last update, in order. */
export type SourceUpdate =
  | { readonly kind: "state"; readonly instances: readonly InstanceData[] }
  | { readonly kind: "changes"; readonly changes: readonly SourceChange[] };

export type SourceChange =
  { readonly type: "set"; readonly instance: InstanceData } | { readonly type: "remove"; readonly id: string };
