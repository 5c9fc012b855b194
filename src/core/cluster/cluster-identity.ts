import type { ResponseHead } from "../../http/exchange.js";
import { log } from "../../util/log.js";
import { abortable, linkSignal } from "../../util/signals.js";
import type { Endpoint } from "./endpoint.js";

/**
 * What is known of an endpoint that reported an id: it belongs to our cluster; it is a stranger, since another endpoint
 * reports our cluster's id; or it is unclear, since no other endpoint responds.
 */
export type Verdict = "ours" | "stranger" | "unclear";

export interface ClusterIdentityOptions {
  /** All endpoints that a call may try now. */
  readonly endpoints: () => readonly Endpoint[];
  /** Requests the cluster id of an endpoint. Resolves to "" if it does not respond; must not reject. */
  readonly request: (endpoint: Endpoint, signal: AbortSignal) => Promise<string>;
  /** Aborts these requests. */
  readonly closed: AbortSignal;
}

/** How long an id is trusted that too few endpoints have confirmed, in ms. */
const doubtAfterMs = 60_000;

/**
 * The id of the client's cluster (`X-Etcd-Cluster-Id`), learned from the responses. A member that lost its data and was
 * started alone behind its old URL reports an id of its own: none of its responses is about our cluster.
 *
 * The id reported by most endpoints counts. Once confirmed, it stays as long as one endpoint reports it: the others are
 * strangers. When none does any more, the whole cluster was replaced, and its new id is adopted.
 */
export class ClusterIdentity {
  readonly #options: ClusterIdentityOptions;
  readonly #judging = new Map<string, Promise<Verdict>>();
  /** "" until an endpoint has reported it. */
  #id = "";
  /** Whether more than half of the endpoints have reported it. */
  #confirmed = false;
  /** When to check an unconfirmed id again, on the monotonic clock. */
  #doubtAtMs = 0;

  constructor(options: ClusterIdentityOptions) {
    this.#options = options;
  }

  /** The id of the cluster; "" until an endpoint has reported it. */
  get id(): string {
    return this.#id;
  }

  /** Whether only one endpoint may have reported the id, so that it may belong to another cluster. */
  get isDoubtful(): boolean {
    return !this.#confirmed && this.#id !== "" && performance.now() >= this.#doubtAtMs;
  }

  /** Whether the id is known and not doubtful. */
  get isCertain(): boolean {
    return this.#id !== "" && !this.isDoubtful;
  }

  /** Whether a response says that it comes from another cluster. Learns the id if it is not known yet. */
  isForeign(head: ResponseHead): boolean {
    const id = clusterIdOf(head);
    if (id === this.#id || id === "") return false;
    if (this.#id !== "") return true;
    this.#id = id;
    return false;
  }

  /** Forgets the id: the user has replaced the endpoints, and the new ones may be another cluster's. */
  forget(): void {
    this.#id = "";
    this.#confirmed = false;
    this.#doubtAtMs = 0;
  }

  /** Judges an endpoint that responded with this head by requesting the ids of the others. The known id may change. */
  judge(endpoint: Endpoint, head: ResponseHead, signal: AbortSignal): Promise<Verdict> {
    const id = clusterIdOf(head);
    const name = `${endpoint.href} ${id}`;
    const judging = this.#judging.get(name) ?? this.#judge(endpoint, id).finally(() => this.#judging.delete(name));
    this.#judging.set(name, judging);
    return abortable(judging, signal);
  }

  async #judge(endpoint: Endpoint, id: string): Promise<Verdict> {
    const others = this.#options.endpoints().filter(({ href }) => href !== endpoint.href);
    const majority = Math.floor((others.length + 1) / 2) + 1;
    const votes = new Map([[id, 1]]);
    const isDecided = (): boolean =>
      (this.#confirmed && id !== this.#id && votes.has(this.#id)) || mostIn(votes).count >= majority;
    if (!isDecided()) {
      await this.#requestAll(others, (vote) => {
        votes.set(vote, (votes.get(vote) ?? 0) + 1);
        return isDecided();
      });
    }
    return this.#verdict(id, votes, majority);
  }

  /** Requests all ids at once. Does not wait for the rest once `isEnough` returns true. */
  async #requestAll(endpoints: readonly Endpoint[], isEnough: (id: string) => boolean): Promise<void> {
    const link = linkSignal(this.#options.closed);
    const asked = endpoints.map(async (endpoint) => {
      const id = await this.#options.request(endpoint, link.signal);
      if (id !== "" && isEnough(id)) link.abort(undefined);
    });
    await Promise.all(asked);
    link.unlink();
  }

  #verdict(id: string, votes: ReadonlyMap<string, number>, majority: number): Verdict {
    const most = mostIn(votes);
    if (most.count >= majority && (!this.#confirmed || most.id === this.#id || !votes.has(this.#id))) {
      this.#confirm(most.id);
    } else {
      this.#doubtAtMs = performance.now() + doubtAfterMs;
    }
    if (id === this.#id) return "ours";
    return votes.has(this.#id) ? "stranger" : "unclear";
  }

  #confirm(id: string): void {
    if (id !== this.#id) log.client("the cluster's id is %s now, it was %s", id, this.#id);
    this.#id = id;
    this.#confirmed = true;
  }
}

/** The id with the most votes; on a tie the first one. */
function mostIn(votes: ReadonlyMap<string, number>): { readonly id: string; readonly count: number } {
  let most = { id: "", count: 0 };
  for (const [id, count] of votes) if (count > most.count) most = { id, count };
  return most;
}

/** `X-Etcd-Cluster-Id`; "" if the response does not carry it. Of a repeated header, which Node joins by commas, the first. */
export function clusterIdOf({ headers }: Pick<ResponseHead, "headers">): string {
  const id = headers["x-etcd-cluster-id"] ?? "";
  return id.includes(",") ? (id.split(",", 1)[0]?.trim() ?? "") : id;
}
