import type { Measured } from "./protocol.js";

/** One subject in one scenario of one round. */
export interface Round {
  readonly round: number;
  readonly scenario: string;
  readonly subject: string;
  readonly measured: Measured;
}

export interface Results {
  readonly environment: string;
  readonly rounds: readonly Round[];
  readonly idleWatchers: number;
  /** Bytes for each watcher. */
  readonly idle: ReadonlyMap<string, { readonly rss: number; readonly heap: number; readonly closeMs: number }>;
  readonly imports: readonly ImportTimes[];
  readonly sizes: readonly Size[];
}

/** In ms above a process that imports nothing. */
export interface ImportTimes {
  readonly name: string;
  readonly importMs: number;
  readonly firstGetMs: number;
}

export interface Size {
  readonly name: string;
  readonly packages: number;
  readonly bytes: number;
}

/** NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}
