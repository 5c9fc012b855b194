import type { RequestSpec, ResponseHead } from "../../http/exchange.js";
import { EndpointError } from "../../util/errors.js";
import { changesNothing } from "../../util/changes-nothing.js";
import { clusterIdOf, type ClusterIdentity } from "./cluster-identity.js";
import type { Endpoint } from "./endpoint.js";

/** Whether more than one response depends on who sent this one. A single read is not worth a request to each other endpoint. */
export function isWorthChecking(head: ResponseHead, spec: RequestSpec): boolean {
  return (!changesNothing(spec) || spec.longPoll === true) && clusterIdOf(head) !== "";
}

/** @throws {StrangerError} the endpoint that answered with this head does not belong to our cluster, or may not */
export async function requireOurs(
  identity: ClusterIdentity,
  endpoint: Endpoint,
  spec: RequestSpec,
  head: ResponseHead,
  signal: AbortSignal,
): Promise<void> {
  const verdict = await identity.judge(endpoint, head, signal);
  if (verdict !== "ours") throw new StrangerError(endpoint, head, spec, identity.id, verdict);
}

/** An endpoint answered with the id of another cluster. */
export class StrangerError extends EndpointError {
  readonly #proven: boolean;

  constructor(
    endpoint: Endpoint,
    head: ResponseHead,
    spec: RequestSpec,
    ourId: string,
    verdict: "stranger" | "unclear",
  ) {
    const refused = head.status >= 400 && head.status < 500;
    super(
      "ERR_CLUSTER_ID",
      `endpoint ${endpoint.label} failed: another cluster answers there (its id is ${shown(clusterIdOf(head))}, ours is ${shown(ourId)})`,
      {
        endpoint: endpoint.label,
        // what another cluster has stored is not stored in ours, but it may be that ours has been replaced by that one
        outcome: changesNothing(spec) || refused ? "notApplied" : "unknown",
        status: head.status,
      },
    );
    this.#proven = verdict === "stranger";
  }

  /** Whether another endpoint has responded with our cluster's id in the meantime. */
  get proven(): boolean {
    return this.#proven;
  }
}

/** Ids are short and hexadecimal; a header may be anything. */
function shown(id: string): string {
  return /^[\w-]{1,40}$/.test(id) ? id : `${String(id.length)} characters long`;
}

/** Ends a long poll whose headers show another cluster, so that it can be judged. */
export class ForeignPoll extends Error {
  readonly head: ResponseHead;

  constructor(head: ResponseHead) {
    super("the response comes from another cluster");
    this.head = head;
  }
}
