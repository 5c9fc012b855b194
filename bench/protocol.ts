/** What the bench asks of a worker, one JSON line each way; the worker in Go speaks the same. */
export type Task =
  | { readonly kind: "get" | "put" | "list"; readonly key: string; readonly concurrency: number; readonly ms: number }
  /** Begins `watchers` watchers of one key: answered with a line when they wait, and then with one for each event that all of them saw. */
  | { readonly kind: "watch"; readonly key: string; readonly afterIndex: number; readonly watchers: number }
  /** Ends a watch; answered with what was measured. */
  | { readonly kind: "stop" }
  /** Opens `watchers` watchers, each of a key of its own, which never see an event. */
  | { readonly kind: "idle"; readonly key: string; readonly watchers: number }
  /** Closes them. */
  | { readonly kind: "close" };

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

export interface Ready {
  readonly ready: true;
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
