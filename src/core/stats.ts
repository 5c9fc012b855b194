import type { RawResponse, RequestSpec, Sender } from "../http/exchange.js";
import { requireFields, type Checks } from "../util/fields.js";
import { badArgument, requireSender, requireSignal } from "../util/validate.js";
import type { LeaderStats, SelfStats, StoreStats } from "./types-stats.js";
import { loadFor, loaded } from "./load.js";
import type * as Wire from "./wire/stats.js";

/** Which member to query, and for how long. */
export interface StatsOptions {
  /** One of the client's endpoints: only this one is queried. Absent: any, as for other calls. */
  readonly endpoint?: string | URL | undefined;
  /** Ends the call. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The statistics of single members. Every method rejects like this:
 *
 * @throws {ClusterError} the endpoint did not respond
 * @throws {ResponseError} the response is not etcd's
 * @throws {UsageError} for bad arguments, for an endpoint that is not one of the client's, and for a closed client
 * Rejects with `signal.reason` when aborted.
 *
 * @example
 * const stats = new StatsAPI(client);
 * for (const endpoint of client.endpoints) {
 *   const { name, state } = await stats.self({ endpoint });
 *   console.log(endpoint, name, state);
 * }
 */
export class StatsAPI {
  readonly #sender: Sender;

  /** Does no I/O. @throws {UsageError} for a sender without `send` */
  constructor(sender: Sender) {
    requireSender("sender", sender);
    this.#sender = sender;
  }

  /** What a member reports about itself: its state, and who leads. */
  async self(options: StatsOptions = {}): Promise<SelfStats> {
    return this.#call((wire) => [wire.selfStatsSpec, wire.decodeSelfStats], options);
  }

  /** How the cluster leader sees its followers. @throws {EtcdError} status 403: the queried member does not lead */
  async leader(options: StatsOptions = {}): Promise<LeaderStats> {
    return this.#call((wire) => [wire.leaderStatsSpec, wire.decodeLeaderStats], options);
  }

  /** What a member's store has done: each member counts what it executed and applied itself. */
  async store(options: StatsOptions = {}): Promise<StoreStats> {
    return this.#call((wire) => [wire.storeStatsSpec, wire.decodeStoreStats], options);
  }

  async #call<T>(
    callIn: (wire: typeof Wire) => readonly [RequestSpec, (raw: RawResponse) => T],
    options: StatsOptions,
  ): Promise<T> {
    requireFields("options", options, checks);
    const { endpoint, signal } = options;
    const { stats } = loaded() ?? (await loadFor(this.#sender, { signal }));
    const [spec, decode] = callIn(stats);
    return decode(
      await this.#sender.send(endpoint === undefined ? spec : { ...spec, endpoint: String(endpoint) }, signal),
    );
  }
}

const checks: Checks<StatsOptions> = {
  endpoint: (what, value) => {
    if (value !== undefined && typeof value !== "string" && !(value instanceof URL))
      badArgument(`${what} must be a string or a URL`);
  },
  signal: requireSignal,
};
