import { ResponseError, UsageError } from "../util/errors.js";
import type { RawResponse, RequestSpec, ResponseHead, Sender } from "../http/exchange.js";
import type { KeysResponse } from "./types.js";
import { Backoff } from "../util/backoff.js";
import { log } from "../util/log.js";
import { sleep } from "../util/signals.js";
import { requireSignal } from "../util/validate.js";
import { watchSpec, type KeyAddress } from "./wire/keys.js";
import { inNamespace } from "./wire/namespace.js";
import { cleanKey } from "./wire/paths.js";
import { decodeKeys, indexOf } from "./wire/response.js";

/** A poll that ends without an event within this time is answered by nobody who waits: slow down. */
const tooSoonMs = 1_000;
const minBackoffMs = 100;
const maxBackoffMs = 5_000;

/**
 * Hands out the changes of a key, or of all keys below it, one by one, in order, each exactly once. Made by
 * `KeysAPI.watcher`. It holds no resource between calls.
 */
export class Watcher {
  readonly #sender: Sender;
  readonly #at: KeyAddress;
  readonly #recursive: boolean;
  /** The index of the next event to take; 0 until a server has told where "from now on" begins. */
  #waitIndex: number;
  #pending = false;

  /** For `KeysAPI.watcher`, which checks the arguments. */
  constructor(sender: Sender, at: KeyAddress, options: { readonly afterIndex: number; readonly recursive: boolean }) {
    this.#sender = sender;
    this.#at = at;
    this.#recursive = options.recursive;
    this.#waitIndex = options.afterIndex === 0 ? 0 : options.afterIndex + 1;
  }

  /**
   * Waits for the next event. A poll that ends without one (a proxy's patience, a server that stops) is asked again from
   * the same place. Whatever it rejects with, nothing is skipped: call it again and it goes on where it was.
   *
   * @throws {EtcdError} `isIndexCleared`: etcd keeps the last 1000 events of the whole store, and the next one of ours is
   * not among them. Read the keys, then make a watcher with the read's `index` as `afterIndex`
   * @throws {ClusterError} no endpoint answered
   * @throws {ResponseError} the answer is not etcd's
   * @throws {UsageError} `ERR_BUSY`: an earlier `next` is still waiting
   * Rejects with `signal.reason` when aborted.
   */
  async next(signal?: AbortSignal): Promise<KeysResponse> {
    requireSignal("signal", signal);
    signal?.throwIfAborted();
    if (this.#pending) throw new UsageError("ERR_BUSY", "an earlier next() of this watcher is still waiting");
    this.#pending = true;
    let backoff: Backoff | undefined;
    // all in one function: a pending call of another one costs half a kilobyte for each watcher
    try {
      for (;;) {
        const asked = performance.now();
        const spec = this.#spec();
        const event = this.#eventOf(await this.#sender.send(spec, signal), spec);
        if (event !== undefined) {
          if (!isForeign(event, this.#at)) return inNamespace(event, this.#at.namespace ?? "");
          log.watch("%s: left out an event of %s", this.#at.key, event.node.key);
          backoff = undefined;
        } else if (performance.now() - asked >= tooSoonMs) {
          backoff = undefined;
        } else {
          backoff ??= new Backoff(minBackoffMs, maxBackoffMs);
          await sleep(backoff.next(), signal);
        }
      }
    } finally {
      this.#pending = false;
    }
  }

  /** `next` for ever. Ends by throwing what `next` rejects with; a new call of `events`, or of `next`, goes on where it was. */
  async *events(signal?: AbortSignal): AsyncGenerator<KeysResponse, void, undefined> {
    for (;;) yield await this.next(signal);
  }

  #spec(): RequestSpec {
    return watchSpec(this.#at, this.#recursive, this.#waitIndex, (head) => {
      this.#begin(head);
    });
  }

  /** What a long poll brought, or undefined when it ended without an event. */
  #eventOf(raw: RawResponse, spec: RequestSpec): KeysResponse | undefined {
    if (endedEmpty(raw)) {
      log.watch("%s: the poll ended without an event, asking again from %d", this.#at.key, this.#waitIndex);
      return undefined;
    }
    const event = decodeKeys(raw, spec);
    if (event.node.modifiedIndex === 0)
      throw new ResponseError("ERR_INVALID_JSON", `an event of ${spec.path} has no modifiedIndex`, {
        status: raw.status,
        outcome: "notApplied",
      });
    this.#waitIndex = event.node.modifiedIndex + 1;
    return event;
  }

  /**
   * From now on is where the first poll began: its headers tell that index, and there is no history in between. Once
   * known it holds, even if that poll dies. A poll with an index of its own may have found an older event that was lost
   * with the connection, so its headers tell nothing.
   */
  #begin(head: ResponseHead): void {
    const index = head.status === 200 ? indexOf(head) : undefined;
    if (this.#waitIndex === 0 && index !== undefined && index > 0) this.#waitIndex = index + 1;
  }
}

function endedEmpty(raw: RawResponse): boolean {
  return raw.truncated === true || ((raw.status === 200 || raw.status === 201) && raw.body === "");
}

/**
 * From its history etcd (2.0 to 3.5) matches a deleted directory by bare string prefix: a watcher of `/application` is
 * given the end of `/app`. Under a proxy's prefix the keys of events cannot be compared to ours.
 */
function isForeign({ node }: KeysResponse, { prefix, namespace = "", key }: KeyAddress): boolean {
  if (!node.dir || !`${prefix}/`.startsWith("/v2/keys/")) return false;
  const watched = namespace + cleanKey(key) || "/";
  return watched.startsWith(node.key) && watched !== node.key && node.key !== "/" && watched[node.key.length] !== "/";
}
