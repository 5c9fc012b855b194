import type { Endpoint } from "./endpoint.js";
import { EndpointSet } from "./endpoint-set.js";

/** Which endpoint a client tries first. */
export const EndpointSelectionMode = {
  /** Any: the list is shuffled, so that many clients spread over the members. */
  random: "random",
  /** The cluster's leader, as of the last `sync`: saves writes and quorum reads one hop inside the cluster. */
  prioritizeLeader: "prioritizeLeader",
} as const;
export type EndpointSelectionMode = (typeof EndpointSelectionMode)[keyof typeof EndpointSelectionMode];

/** A set in random order, every order as likely as any other. */
export function shuffled(endpoints: readonly Endpoint[], configured: readonly Endpoint[] = []): EndpointSet {
  const list = [...endpoints];
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    const [a, b] = [list[i], list[j]];
    if (a !== undefined && b !== undefined) [list[i], list[j]] = [b, a];
  }
  return new EndpointSet(list, 0, configured);
}
