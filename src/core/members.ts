import type { RequestSpec, RawResponse, Sender } from "../http/exchange.js";
import type { Member } from "./types.js";
import { badArgument, requireName, requireSender, requireSignal, requireText } from "../util/validate.js";
import {
  addMemberSpec,
  decodeAdded,
  decodeLeader,
  decodeMembers,
  decodeRemoved,
  decodeUpdated,
  leaderSpec,
  listMembersSpec,
  removeMemberSpec,
  updateMemberSpec,
} from "./wire/members.js";

/**
 * The cluster's membership.
 *
 * Every call rejects with `EtcdError` when etcd refuses it (`status` and `serverMessage`; there is no error code),
 * `ClusterError` when no endpoint responded, `ResponseError` when the response is not etcd's, `UsageError` for bad
 * arguments and a closed client, and `signal.reason` when aborted. A change is sent once: it fails over to another
 * endpoint only if it was certainly not applied. etcd returns 500 to changes while the other members have been
 * connected for less than 5 s, or while they would endanger the majority.
 */
export class MembersAPI {
  readonly #sender: Sender;

  /** @throws {UsageError} for a sender without `send` */
  constructor(sender: Sender) {
    requireSender("sender", sender);
    this.#sender = sender;
  }

  /** All members as known to the endpoint that responds, which may lag behind. */
  list(signal?: AbortSignal): Promise<readonly Member[]> {
    return this.#call(listMembersSpec, decodeMembers, signal);
  }

  /** The cluster's leader; a `ClusterError` with status 503 inside while there is none. */
  leader(signal?: AbortSignal): Promise<Member> {
    return this.#call(leaderSpec, decodeLeader, signal);
  }

  /**
   * Adds a member, which must be started afterwards. 409 when its URL is in use.
   *
   * @param peerURL scheme, host and port, no path, e.g. "http://10.0.0.9:2380"
   */
  async add(peerURL: string, signal?: AbortSignal): Promise<Member> {
    return this.#call(addMemberSpec(peerUrlOf("peerURL", peerURL)), decodeAdded, signal);
  }

  /**
   * Replaces a member's peer URLs. 404 for an unknown id.
   *
   * @param id hexadecimal, as `list` gives it
   */
  async update(id: string, peerURLs: readonly string[], signal?: AbortSignal): Promise<void> {
    requireName("id", id);
    if (!Array.isArray(peerURLs) || peerURLs.length === 0)
      badArgument("no valid URLs given: peerURLs must be an array with at least one");
    const urls = (peerURLs as readonly string[]).map((url, i) => peerUrlOf(`peerURLs[${String(i)}]`, url));
    return this.#call(updateMemberSpec(id, urls), decodeUpdated, signal);
  }

  /** Removes a member; its id can never join again. Does nothing if it was removed before. 404 for an unknown id. */
  async remove(id: string, signal?: AbortSignal): Promise<void> {
    requireName("id", id);
    return this.#call(removeMemberSpec(id), decodeRemoved, signal);
  }

  async #call<T>(
    spec: RequestSpec,
    decode: (raw: RawResponse, spec: RequestSpec) => T,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    requireSignal("signal", signal);
    return decode(await this.#sender.send(spec, signal), spec);
  }
}

/** Checks by the rules of Go's client; a path is refused even if it is only "/". */
function peerUrlOf(what: string, input: string): string {
  requireText(what, input);
  const url = input.trim();
  const {
    scheme = "",
    host = "",
    rest = "",
  } = /^(?<scheme>[a-z][\w+.-]*):\/\/(?<host>[^/?#]*)(?<rest>[^?#]*)/i.exec(url)?.groups ?? {};
  if (!/^(?:https?|unixs?)$/i.test(scheme))
    badArgument(`${what}: URL scheme must be http, https, unix, or unixs: ${quote(url)}`);
  if (host.includes("@")) badArgument(`${what} must not hold credentials`);
  if (!/^(?:\[[^\]]+\]|[^:]+):\d+$/.test(host))
    badArgument(`${what}: URL address does not have the form "host:port": ${quote(url)}`);
  if (rest !== "") badArgument(`${what}: URL must not contain a path: ${quote(url)}`);
  if (!URL.canParse(url)) badArgument(`${what} is not a URL: ${quote(url)}`);
  return url;
}

function quote(url: string): string {
  return url.includes("@") ? "(not shown: it holds an @)" : JSON.stringify(url);
}
