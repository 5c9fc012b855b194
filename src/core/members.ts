import type { RequestSpec, RawResponse, Sender } from "../http/exchange.js";
import type { Member } from "./types.js";
import { badArgument, requireName, requireSender, requireSignal } from "../util/validate.js";
import type * as FirstCall from "./first-call.js";
import { loadFor, loaded } from "./load.js";
import type * as Wire from "./wire/members.js";

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
    return this.#call((wire) => [wire.listMembersSpec, wire.decodeMembers], signal);
  }

  /** The cluster's leader. @throws {ClusterError} there is none: status 503 inside */
  leader(signal?: AbortSignal): Promise<Member> {
    return this.#call((wire) => [wire.leaderSpec, wire.decodeLeader], signal);
  }

  /**
   * Adds a member, which must be started afterwards.
   *
   * @param peerURL scheme, host and port, no path, e.g. "http://10.0.0.9:2380"
   * @throws {EtcdError} status 409: the URL is in use
   */
  async add(peerURL: string, signal?: AbortSignal): Promise<Member> {
    return this.#call(
      (wire, { peerUrlOf }) => [wire.addMemberSpec(peerUrlOf("peerURL", peerURL)), wire.decodeAdded],
      signal,
    );
  }

  /**
   * Replaces a member's peer URLs.
   *
   * @param id hexadecimal, as `list` gives it
   * @throws {EtcdError} status 404: the id is unknown
   */
  async update(id: string, peerURLs: readonly string[], signal?: AbortSignal): Promise<void> {
    requireName("id", id);
    if (!Array.isArray(peerURLs) || peerURLs.length === 0)
      badArgument("no valid URLs given: peerURLs must be an array with at least one");
    const given: readonly string[] = [...(peerURLs as readonly string[])];
    return this.#call((wire, { peerUrlOf }) => {
      const urls = given.map((url, i) => peerUrlOf(`peerURLs[${String(i)}]`, url));
      return [wire.updateMemberSpec(id, urls), wire.decodeUpdated];
    }, signal);
  }

  /**
   * Removes a member; its id can never join again. Does nothing if it was removed before.
   *
   * @throws {EtcdError} status 404: the id is unknown
   */
  async remove(id: string, signal?: AbortSignal): Promise<void> {
    requireName("id", id);
    return this.#call((wire) => [wire.removeMemberSpec(id), wire.decodeRemoved], signal);
  }

  async #call<T>(
    callIn: (
      wire: typeof Wire,
      parts: typeof FirstCall,
    ) => readonly [RequestSpec, (raw: RawResponse, spec: RequestSpec) => T],
    signal: AbortSignal | undefined,
  ): Promise<T> {
    requireSignal("signal", signal);
    const parts = loaded() ?? (await loadFor(this.#sender, { signal }));
    const [spec, decode] = callIn(parts.members, parts);
    return decode(await this.#sender.send(spec, signal), spec);
  }
}
