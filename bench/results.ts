import type { Measured } from "./protocol.js";

/** Something measured of one subject in one round. Absolute figures change with whatever else the machine does: compare within a round. */
export interface Taken {
  readonly round: number;
  /** A subject's name, or one with `withSignal` behind it. */
  readonly subject: string;
}

export interface Round extends Taken {
  readonly scenario: string;
  readonly measured: Measured;
}

/** Bytes for each watcher; ms for closing all of them. */
export interface IdleRound extends Taken {
  readonly rss: number;
  readonly heap: number;
  readonly closeMs: number;
}

/** In ms, of a process that has just started. */
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

/** Under another version of Node; no rounds and a problem where it could not be had. */
export interface OtherNodeResults {
  readonly major: number;
  readonly version?: string;
  readonly problem?: string;
  readonly rounds: readonly Round[];
}

export interface Results {
  readonly environment: string;
  readonly rounds: readonly Round[];
  readonly otherNodes: readonly OtherNodeResults[];
  readonly idleWatchers: number;
  readonly idle: readonly IdleRound[];
  readonly imports: readonly ImportTimes[];
  readonly sizes: readonly Size[];
}

/** What stands behind the name of a subject that was given a signal with each call. */
export const withSignal = ", with a signal";
