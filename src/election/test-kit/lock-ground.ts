import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { TestContext } from "node:test";
import { ElectionError } from "../errors.js";
import type { AsLeader, Candidate, Leadership, LeadershipConfig, LeaderSession } from "../lock.js";
import { gate } from "../../test-kit/scripted-cluster.js";
import type { Cuttable } from "../../test-kit/tcp-proxy.js";
import { until } from "../../test-kit/waiting.js";

/** One contender, whose connection to the backend can be cut. */
export interface LockContender extends Cuttable {
  readonly candidate: Candidate;
  /** Requests that release a lock. One without a response is sent again when the session is closed. */
  releases(): ReleaseCounts;
  /** When the last successful heartbeat or acquire was sent, by `performance.now()`. */
  lastGoodBeatMs(): number;
  /** How many requests wait for a response. */
  pending(): number;
}

export interface ReleaseCounts {
  readonly sent: number;
  readonly answered: number;
}

/** What a backend provides for `lockSuite`. The limits of the suite follow from its durations. */
export interface LockBackend {
  /** The title of a test. */
  title(number: number, text: string): string;
  readonly config: Pick<Leadership, "ttlMs" | "lockDelayMs" | "cooldownMs" | "stepDownTimeoutMs" | "marginMs">;
  /** Whether its tests may run concurrently. @default false */
  readonly concurrency?: boolean;
  /** How long case 33 goes on, in ms. */
  readonly manyTermsMs: number;
  /** How late the server may be with an expiry, in ms. */
  readonly expiryLatenessMs: number;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Ended with the test. */
  contender(t: TestContext): Promise<LockContender>;
  /** Ends the leader's session at the server. */
  endSession(key: string, sessionId: string): Promise<void>;
}

export interface TestTerm {
  readonly signal: AbortSignal;
  readonly fencingToken: string;
  readonly begunMs: number;
  /** Lets the callback return. */
  end(): void;
}

/** Terms of a callback that lasts until the test ends it. */
export class Terms {
  running = 0;
  readonly #begun: TestTerm[] = [];

  readonly asLeader = async ({
    signal,
    fencingToken,
  }: {
    readonly signal: AbortSignal;
    readonly fencingToken: string;
  }): Promise<void> => {
    const ended = gate();
    this.#begun.push({ signal, fencingToken, begunMs: performance.now(), end: ended.open });
    this.running++;
    await ended.opened;
    this.running--;
  };

  /** Waits for the next term. Fails after a minute: no election takes that long. */
  next(): Promise<TestTerm> {
    return until("a term begins", () => this.#begun.shift());
  }
}

type Participate = (
  t: TestContext,
  contender: LockContender,
  key: string,
  asLeader: AsLeader,
  config?: Partial<LeadershipConfig>,
) => Promise<LeaderSession>;

/** Makes a contender contest a key until the test ends. */
export function participating(defaults: LockBackend["config"]): Participate {
  return async (t, { candidate }, key, asLeader, config = {}) => {
    const session = await candidate.participate({ ...defaults, key, contactInfo: "", ...config }, asLeader);
    t.after(() => session.close());
    return session;
  };
}

export function newKey(): string {
  return `/suite/${randomUUID()}`;
}

export function assertCode(error: unknown, code: string): void {
  assert.ok(error instanceof ElectionError);
  assert.equal(error.code, code);
}

/** How late timers are, at worst: a busy machine holds up a process with everything in it. */
export class Stalls implements Disposable {
  readonly #timer: NodeJS.Timeout;
  #lastMs = performance.now();
  #worstMs = 0;

  constructor() {
    this.#timer = setInterval(() => {
      this.#look();
    }, stallStepMs);
  }

  /** In ms. */
  get worstMs(): number {
    this.#look();
    return this.#worstMs;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    this.#worstMs = Math.max(this.#worstMs, nowMs - this.#lastMs - stallStepMs);
    this.#lastMs = nowMs;
  }
}

const stallStepMs = 5;
