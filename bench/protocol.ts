import type { FakeTimes } from "./fake.js";

/** A request to a worker process, one line of JSON, as are its responses. The worker in Go speaks the same protocol. */
export type Task =
  LoadTask | WatchTask | FollowTask | DecodeTask | IdleTask | { readonly kind: "mark" | "stop" | "close" };

/** Run `concurrency` operations at a time, without a pause, for `ms`. The response is {@link Measured}. */
export interface LoadTask {
  /** `ttl` is a PUT with a TTL; `connect` a GET on a new connection of a new client. */
  readonly kind: "get" | "put" | "ttl" | "list" | "connect";
  readonly key: string;
  readonly concurrency: number;
  readonly ms: number;
  /** Pass one long-lived `AbortSignal` to each call. For the SDK only. */
  readonly signal?: boolean;
}

/**
 * Open `watchers` watchers of one key. The worker sends {@link Seen} for each event once every watcher has it. The first
 * `warmUps` events are not measured. "stop" ends the task; its response is {@link Measured}, where an operation is one
 * event at one watcher.
 */
export interface WatchTask {
  readonly kind: "watch";
  readonly key: string;
  readonly afterIndex: number;
  readonly watchers: number;
  readonly warmUps: number;
  /** Whether they watch everything below the key. */
  readonly recursive?: boolean;
}

/**
 * Follow everything below a key that many writes change. The response is {@link Seen} after `warmUps` events.
 * "mark" begins measuring, "stop" ends it; its response is {@link Followed}, where an operation is one event.
 */
export interface FollowTask {
  readonly kind: "follow" | "mirror";
  readonly key: string;
  readonly warmUps: number;
}

/** Compare the decoding of a recursive read with `JSON.parse` of the same body. The response is {@link Decoded}. For the SDK only. */
export interface DecodeTask {
  readonly kind: "decode";
  readonly key: string;
  /** How often each of the two is done in one turn, and how many turns there are. */
  readonly times: number;
  readonly turns: number;
}

/**
 * Open `watchers` watchers, each of its own key, which never see an event. The response is {@link Idle}. "close" closes
 * them; its response is {@link Closed}.
 */
export interface IdleTask {
  readonly kind: "idle";
  readonly key: string;
  readonly watchers: number;
}

/** The result of one task. Times are in µs, memory in bytes. */
export interface Measured {
  readonly operations: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** User and system time of this process alone. */
  readonly cpuPerOperation: number;
  readonly rss: number;
}

/** What following a busy directory cost. */
export interface Followed extends Measured {
  /** How often etcd's history ran out, so that everything had to be read again. */
  readonly cleared: number;
  /** How often a mirror has read everything again. */
  readonly lists: number;
}

/** CPU in µs for one body, of each turn, and wall time in ms. */
export interface Decoded {
  /** Of `JSON.parse`, decoding UTF-8 included. */
  readonly parseCpu: readonly number[];
  /** Of the same and everything that makes a `KeysResponse` of it. */
  readonly decodeCpu: readonly number[];
  /** How long `JSON.parse` alone takes. */
  readonly parseMs: readonly number[];
  /** The longest time for which the event loop stood still during a read over the network, for each read. */
  readonly stallMs: readonly number[];
}

/** One event has arrived at every watcher. */
export interface Seen {
  /** Events so far, warm-ups included. */
  readonly seen: number;
}

/** How much the memory of the process grew by all watchers together, in bytes. */
export interface Idle {
  readonly rss: number;
  readonly heap: number;
}

/** How long closing all watchers took. */
export interface Closed {
  readonly closeMs: number;
}

/** Connections are opened this many at a time, with a pause in between: more at once would overflow the server's queue. */
export const openAtOnce = 100;
export const openPauseMs = 5;

/** A measurement of one subject in one round. Absolute figures depend on what else the machine does: compare within a round. */
export interface Taken {
  readonly round: number;
  /** Name of a subject, with {@link withSignal} appended when it was given a signal. */
  readonly subject: string;
}

/** What follows the name of a subject that was given a signal with each call. */
export const withSignal = ", with a signal";

/** One scenario, measured once. */
export interface Round extends Taken {
  readonly scenario: string;
  readonly measured: Measured & Partial<Followed>;
}

/** The comparison of one body's decoding with `JSON.parse`. */
export interface DecodedBody extends Decoded {
  readonly keys: number;
}

/** Bytes per watcher, and ms for closing all of them. */
export interface IdleRound extends Taken {
  readonly rss: number;
  readonly heap: number;
  readonly closeMs: number;
}

/** How long a process that has just started takes, in ms above bare Node. */
export interface ImportTimes {
  readonly name: string;
  /** Of each run. */
  readonly importMs: readonly number[];
  /** Of each run, import included. */
  readonly firstGetMs: readonly number[];
}

/** The size of an install on the disk. */
export interface Size {
  readonly name: string;
  readonly packages: number;
  readonly bytes: number;
}

/** Results under another version of Node. When there is no such Node, `problem` says why and there are no rounds. */
export interface OtherNodeResults {
  readonly major: number;
  readonly version?: string;
  readonly problem?: string;
  readonly rounds: readonly Round[];
}

/** Everything that the report shows. */
export interface Results {
  readonly environment: string;
  /** The version of Node that most of it was measured on. */
  readonly node: string;
  readonly rounds: readonly Round[];
  readonly decoded: readonly DecodedBody[];
  readonly otherNodes: readonly OtherNodeResults[];
  readonly idleWatchers: number;
  readonly idle: readonly IdleRound[];
  readonly imports: readonly ImportTimes[];
  readonly sizes: readonly Size[];
  readonly fake: FakeTimes;
}
