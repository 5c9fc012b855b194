import type { Codec } from "./codec.js";
import type { RequestLimits, Sender } from "../http/exchange.js";
import { requireSender } from "../util/validate.js";
import {
  requireKey,
  requireKeysOptions,
  requireWatcherOptions,
  type CreateInOrderOptions,
  type CreateOptions,
  type DeleteOptions,
  type GetOptions,
  type KeysOptions,
  type RefreshOptions,
  type SetOptions,
  type UpdateOptions,
  type WatcherOptions,
} from "./keys-options.js";
import type { KeysTarget } from "./keys-calls.js";
import { loaded, whenLoaded } from "./load.js";
import type { KeysResponse, KeysSummary } from "./types.js";
import { TypedKeys } from "./typed-keys.js";
import { Watcher } from "./watcher.js";
import { cleanKey, namespaceOf } from "./wire/paths.js";

/**
 * etcd's keys. A key is a path of text segments. It is sent as it is, never decoded, and may not contain `.` or `..`.
 *
 * A plain `set`, `update` or `refresh` goes on to the next endpoint after a refused, reset or closed connection, a broken
 * body, and a status of 502 or 503. After silence, 500 or 504 the server may still apply it later, over a newer write: it
 * rejects with the outcome "unknown" (see `ClusterError.outcome`), unless `resend` is given. To be safe after such a
 * rejection, read the key with `quorum` and write with `prevIndex`. All other writes (create, createInOrder, delete, with
 * `prevValue`, `prevIndex` or `prevExist: false`, making a directory) go on only if nothing of them was sent.
 *
 * Every method rejects like this:
 *
 * @throws {EtcdError} etcd refused: see `errorCode`, and `isKeyNotFound`, `isNodeExist`, `isCompareFailed`
 * @throws {ClusterError} no endpoint answered
 * @throws {ResponseError} the response is not etcd's
 * @throws {UsageError} for bad arguments, before any I/O, and for a closed client
 * Rejects with `signal.reason` when aborted.
 *
 * @example
 * const keys = new KeysAPI(new Client({ endpoints: ["http://127.0.0.1:2379"] }));
 * await keys.set("/config/color", "red", { ttl: 60 });
 * const { node } = await keys.get("/config/color");
 * console.log(node.value, node.modifiedIndex);
 */
export class KeysAPI {
  readonly #target: KeysTarget;
  readonly #options: { readonly prefix: string; readonly namespace: string };

  /**
   * Does no I/O. `sender` is a `Client`, or anything else with its `send` method.
   *
   * @throws {UsageError} for a sender without `send`, and for a bad prefix
   */
  constructor(sender: Sender, options: KeysOptions = {}) {
    requireSender("sender", sender);
    requireKeysOptions(options);
    const { prefix = "/v2/keys", namespace = "" } = options;
    this.#options = { prefix, namespace };
    this.#target = {
      sender,
      prefix: cleanKey(prefix) + cleanKey(namespace),
      namespace: namespaceOf(prefix) + cleanKey(namespace),
    };
  }

  /**
   * Reads a file or a directory.
   *
   * @throws {EtcdError} `isKeyNotFound`: the key, or a directory above it, does not exist
   * @example
   * const { node, index } = await keys.get("/services", { recursive: true, quorum: true });
   * for (const child of node.nodes) console.log(child.key, child.value);
   */
  get(key: string, options: GetOptions = {}, ...extra: readonly undefined[]): Promise<KeysResponse> {
    const calls = loaded()?.calls;
    return calls === undefined
      ? whenLoaded(this.#target.sender, options, (own) => this.get(key, own, ...extra))
      : calls.get(this.#target, key, options, extra);
  }

  /**
   * Writes a file, or makes a directory, whatever was there before, unless a condition is given.
   *
   * @throws {EtcdError} `isCompareFailed`: the condition does not hold; `isKeyNotFound`: the key must exist and does not
   * @example
   * await keys.set("/color", "red");
   * // only if it has not been changed in the meantime
   * await keys.set("/color", "green", { prevIndex: node.modifiedIndex });
   */
  set(key: string, value: string, options: SetOptions & { readonly noValueOnSuccess: true }): Promise<KeysSummary>;
  set(key: string, value: string, options?: SetOptions, ...extra: readonly undefined[]): Promise<KeysResponse>;
  set(
    key: string,
    value: string,
    options: SetOptions = {},
    ...extra: readonly undefined[]
  ): Promise<KeysResponse | KeysSummary> {
    const calls = loaded()?.calls;
    return calls === undefined
      ? whenLoaded(this.#target.sender, options, (own) => this.set(key, value, own, ...extra))
      : calls.set(this.#target, key, value, options, extra);
  }

  /**
   * Writes a file that must not exist yet.
   *
   * @throws {EtcdError} `isNodeExist`: it exists
   * @example
   * await keys.create("/locks/job", "worker-1", { ttl: 30 });
   */
  create(
    key: string,
    value: string,
    options: CreateOptions = {},
    ...extra: readonly undefined[]
  ): Promise<KeysResponse> {
    const calls = loaded()?.calls;
    return calls === undefined
      ? whenLoaded(this.#target.sender, options, (own) => this.create(key, value, own, ...extra))
      : calls.create(this.#target, key, value, options, extra);
  }

  /**
   * Writes a file that must exist. Keeps its `createdIndex`.
   *
   * @throws {EtcdError} `isKeyNotFound`: it does not exist; `isCompareFailed`: the condition does not hold
   * @example
   * await keys.update("/color", "blue");
   */
  update(
    key: string,
    value: string,
    options: UpdateOptions = {},
    ...extra: readonly undefined[]
  ): Promise<KeysResponse> {
    const calls = loaded()?.calls;
    return calls === undefined
      ? whenLoaded(this.#target.sender, options, (own) => this.update(key, value, own, ...extra))
      : calls.update(this.#target, key, value, options, extra);
  }

  /**
   * Gives a key a new TTL and keeps its value. Watchers get no event.
   *
   * @param ttl seconds, rounded up to whole ones
   * @throws {EtcdError} `isKeyNotFound`: the key does not exist, or has expired
   * @example
   * await keys.refresh("/services/web/1", 15);
   */
  refresh(
    key: string,
    ttl: number,
    options: RefreshOptions = {},
    ...extra: readonly undefined[]
  ): Promise<KeysResponse> {
    const calls = loaded()?.calls;
    return calls === undefined
      ? whenLoaded(this.#target.sender, options, (own) => this.refresh(key, ttl, own, ...extra))
      : calls.refresh(this.#target, key, ttl, options, extra);
  }

  /**
   * Writes a file into a directory under a name that etcd chooses: the index as 20 digits, so that names sort by age.
   *
   * @param value "" with `options.dir`
   * @example
   * const { node } = await keys.createInOrder("/queue", "job 1");
   * console.log(node.key); // "/queue/00000000000000000042"
   */
  createInOrder(
    dir: string,
    value: string,
    options: CreateInOrderOptions = {},
    ...extra: readonly undefined[]
  ): Promise<KeysResponse> {
    const calls = loaded()?.calls;
    return calls === undefined
      ? whenLoaded(this.#target.sender, options, (own) => this.createInOrder(dir, value, own, ...extra))
      : calls.createInOrder(this.#target, dir, value, options, extra);
  }

  /**
   * Deletes a file. Deletes a directory only with `dir` (an empty one) or `recursive`.
   *
   * @throws {EtcdError} `isKeyNotFound`: it does not exist; `isCompareFailed`: the condition does not hold; code 102: it is a
   * directory; code 108: the directory is not empty
   * @example
   * await keys.delete("/old", { recursive: true });
   */
  delete(key: string, options: DeleteOptions = {}, ...extra: readonly undefined[]): Promise<KeysResponse> {
    const calls = loaded()?.calls;
    return calls === undefined
      ? whenLoaded(this.#target.sender, options, (own) => this.delete(key, own, ...extra))
      : calls.remove(this.#target, key, options, extra);
  }

  /**
   * Makes a watcher of a key, which need not exist. Does no I/O.
   *
   * @throws {UsageError} for bad arguments
   * @example
   * const { index } = await keys.get("/config", { recursive: true });
   * for await (const event of keys.watcher("/config", { recursive: true, afterIndex: index }).events()) {
   *   console.log(event.action, event.node.key);
   * }
   */
  watcher(key: string, options: WatcherOptions = {}, ...extra: readonly undefined[]): Watcher {
    requireWatcherOptions(options, extra);
    requireKey("key", key);
    const { sender, prefix, namespace } = this.#target;
    const { afterIndex = 0, recursive = false, clusterId = "" } = options;
    return new Watcher(sender, { prefix, key, namespace }, { afterIndex, recursive, clusterId });
  }

  /**
   * The same keys, with limits in time for each request to one endpoint, for which `limits` is called each time. The limits
   * of the client still hold where they are tighter. Long polls keep the client's limits.
   */
  withLimits(limits: () => RequestLimits): KeysAPI {
    return this.wrapped((sender) => ({
      ...sender,
      send: (spec, signal) => sender.send(spec.longPoll === true ? spec : { ...spec, limits: limits() }, signal),
    }));
  }

  /** The same keys, with requests that go through another sender, made from this one's. */
  wrapped(wrap: (sender: Sender) => Sender): KeysAPI {
    const { quorumReads, retryForMs } = this.#target.sender;
    const send: Sender["send"] = (spec, signal) => this.#target.sender.send(spec, signal);
    return new KeysAPI(wrap({ quorumReads, retryForMs, send }), this.#options);
  }

  /**
   * The keys below a key, as if there were no others: "/a" is "/tenant/a". All keys are relative: of requests, responses,
   * errors, events and mirrors. "/" is the key itself. It also stands for everything above, which an event
   * names if a directory there was deleted. Every layer accepts it as its client. Namespaces can be nested.
   *
   * `..` is refused, but code that has the client reaches all keys: only roles protect them.
   *
   * @throws {UsageError} for a bad key
   * @example
   * const tenant = keys.namespace("/tenants/acme");
   * await tenant.set("/color", "red"); // etcd has it as "/tenants/acme/color"
   */
  namespace(key: string): KeysAPI {
    requireKey("key", key);
    return new KeysAPI(this.#target.sender, { ...this.#options, namespace: this.#options.namespace + cleanKey(key) });
  }

  /**
   * The same keys with values of a type instead of texts.
   *
   * @param codec such as `jsonCodec()`
   * @throws {UsageError} for a bad codec
   * @example
   * const colors = keys.withCodec(jsonCodec<{ hex: string }>());
   * await colors.set("/colors/red", { hex: "#f00" });
   */
  withCodec<T>(codec: Codec<T>): TypedKeys<T> {
    return new TypedKeys(this, codec);
  }
}
