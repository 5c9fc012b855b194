/** What a member reports about itself since it started. */
export interface SelfStats {
  /** The member's id, in hexadecimal. */
  readonly id: string;
  /** The member's name. */
  readonly name: string;
  /** "StateLeader" or "StateFollower"; servers may know more. */
  readonly state: string;
  /** When the member started. */
  readonly startTime: Date | undefined;
  /** The id of the cluster leader; "" while there is none. */
  readonly leader: string;
  /** Since when this member has known that leader; undefined while there is none. */
  readonly leaderSince: Date | undefined;
  /** Append requests from the leader. */
  readonly receivedAppends: number;
  /** Append requests to followers. */
  readonly sentAppends: number;
}

/** How the cluster leader sees its followers. */
export interface LeaderStats {
  /** The id of the leader. */
  readonly leader: string;
  /** By the id of the follower. */
  readonly followers: ReadonlyMap<string, FollowerStats>;
}

/** How the cluster leader reaches one follower. */
export interface FollowerStats {
  /** Round trips of append requests, in ms. */
  readonly latencyMs: {
    /** Of the last request. */
    readonly current: number;
    /** The mean. */
    readonly average: number;
    /** How much they vary. */
    readonly standardDeviation: number;
    /** The shortest. */
    readonly minimum: number;
    /** The longest. */
    readonly maximum: number;
  };
  /** Append requests that succeeded. */
  readonly success: number;
  /** Append requests that failed. */
  readonly fail: number;
}

/** What a member's store has done since the member started. */
export interface StoreStats {
  /** Reads. */
  readonly gets: OperationCounts;
  /** Sets: writes without a condition. */
  readonly sets: OperationCounts;
  /** Creates: writes of keys that did not exist. */
  readonly creates: OperationCounts;
  /** Updates: writes of keys that existed. */
  readonly updates: OperationCounts;
  /** Deletes without a condition. */
  readonly deletes: OperationCounts;
  /** Writes with `prevValue` or `prevIndex`. */
  readonly compareAndSwaps: OperationCounts;
  /** Deletes with `prevValue` or `prevIndex`. */
  readonly compareAndDeletes: OperationCounts;
  /** Keys that have expired. */
  readonly expired: number;
  /** Watchers that wait now. */
  readonly watchers: number;
}

/** How often an operation succeeded and failed. */
export interface OperationCounts {
  /** How many succeeded. */
  readonly success: number;
  /** How many failed. */
  readonly fail: number;
}
