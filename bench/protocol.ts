/** What the bench asks of a worker, one JSON line each way; the worker in Go speaks the same. */
export type Task = LoadTask | WatchTask | IdleTask | { readonly kind: "stop" } | { readonly kind: "close" };

/** Operations without a pause, `concurrency` at any time, for `ms`. Answered with {@link Measured}. */
export interface LoadTask {
  readonly kind: "get" | "put" | "list";
  readonly key: string;
  readonly concurrency: number;
  readonly ms: number;
  /** One long-lived signal goes with each call. For the SDK only. */
  readonly signal?: boolean;
}

/**
 * Begins `watchers` watchers of one key. Answered with {@link Seen} for each event that all of them saw; the first
 * `warmUps` events are not measured. "stop" ends it; answered with {@link Measured}, an operation being one event at
 * one watcher.
 */
export interface WatchTask {
  readonly kind: "watch";
  readonly key: string;
  readonly afterIndex: number;
  readonly watchers: number;
  readonly warmUps: number;
}

/** Opens `watchers` watchers, each of a key of its own, which never see an event. Answered with {@link Idle}; "close" closes them, answered with {@link Closed}. */
export interface IdleTask {
  readonly kind: "idle";
  readonly key: string;
  readonly watchers: number;
}

/** What one task came to. Times in µs, memory in bytes. */
export interface Measured {
  readonly operations: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** User and system, of this process alone. */
  readonly cpuPerOperation: number;
  readonly rss: number;
}

export interface Seen {
  readonly seen: number;
}

export interface Idle {
  /** Growth by all watchers together. */
  readonly rss: number;
  readonly heap: number;
}

export interface Closed {
  readonly closeMs: number;
}

/** Connections are opened this many at a time, with this pause between: more at once would overflow the server's queue. */
export const openAtOnce = 100;
export const openPauseMs = 5;
