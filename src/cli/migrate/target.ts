import pLimit from "p-limit";
import { ResponseError, type Client, type Credentials, type RequestSpec } from "../../core/index.js";
import { ClusterView } from "../../v3/cluster-view.js";
import { Hints } from "../../v3/hints.js";
import { LeaseTimes } from "../../v3/lease-times.js";
import type { KeyValue } from "../../v3/decode.js";
import { Gateway, GatewayError, grpcCode } from "../../v3/gateway.js";
import { isHiddenBelow, Layout, type KeyRange } from "../../v3/layout.js";
import { grant, keepAlive, timeLeft, type Lease } from "../../v3/leases.js";
import { hasMore, keysIn, read, transact, type Txn, type TxnResult } from "../../v3/operations.js";
import { resolveV3Options } from "../../v3/options.js";
import { Session } from "../../v3/session.js";
import { Tokens, WrongPasswordError } from "../../v3/tokens.js";
import { CommandFailed } from "../io.js";

/** How much of the v3 store one read is to bring, in characters, and how many keys at most. */
const pageSize = 1_000_000;
const maxPage = 1_000;
/** How many leases are asked for at once. */
const atOnce = 16;

/** A key of the v3 store. */
export interface Found {
  /** Without the namespace; a directory's ends in a slash. */
  readonly path: string;
  readonly kv: KeyValue;
}

/** What a {@link Target} is made of. */
export interface TargetOptions {
  /** Without a user: the gateway takes tokens. */
  readonly client: Client;
  /** Undefined: no user. */
  readonly credentials: Credentials | undefined;
  /** Goes before every key; "" for none. */
  readonly namespace: string;
  /** Ends all requests. */
  readonly signal: AbortSignal;
}

/** The v3 store, by the JSON gateway. Requests are sent again for as long as the client does. */
export class Target {
  readonly layout: Layout;
  /** The highest revision seen; 0 before the first response. */
  revision = 0;
  /** In hexadecimal; "" before the first response. */
  clusterId = "";
  readonly #options: TargetOptions;
  readonly #gateway: Gateway;
  readonly #tokens: Tokens;
  readonly #view = new ClusterView();
  readonly #leaseTimes = new LeaseTimes();
  readonly #hints = new Hints();
  #limit = 100;

  constructor(options: TargetOptions) {
    const { client, namespace, signal } = options;
    this.#options = options;
    this.layout = new Layout(namespace);
    // all transactions compare what they replace, so a second sending changes nothing
    const send = (_url: URL, spec: RequestSpec): ReturnType<Client["send"]> =>
      client.send({ ...spec, oneShot: false, resend: spec.readOnly !== true }, signal);
    this.#gateway = new Gateway(send, { url: client.endpoints[0] ?? "", query: "" });
    this.#tokens = new Tokens(this.#gateway, signal);
  }

  /** The key of a path in the store. */
  keyOf(path: string): string {
    return this.layout.file(path);
  }

  /** Whether the user may write all keys at and below a v2 key. */
  async mayWrite(root: string): Promise<boolean> {
    const { rights } = await this.#identity();
    return rights.mayWrite(this.layout.below(root)) && (root === "/" || rights.mayWrite({ key: this.keyOf(root) }));
  }

  /**
   * All keys at and below a v2 key, in the order of their bytes. Leaves out keys that v2 would not list, or cannot
   * hold.
   */
  async *entries(root: string): AsyncGenerator<Found, void, undefined> {
    const ranges: KeyRange[] = root === "/" ? [] : [{ key: this.keyOf(root) }];
    ranges.push(this.layout.below(root));
    for (const range of ranges) {
      for (let from: string | undefined = range.key; from !== undefined;) {
        const { kvs, isLast } = await this.#page({ key: from, rangeEnd: range.rangeEnd });
        for (const kv of kvs) {
          const parsed = this.layout.parse(kv.key);
          if (parsed === undefined || parsed.key === "/" || isHiddenBelow(root, parsed.key)) continue;
          yield { path: parsed.isMarker ? `${parsed.key}/` : parsed.key, kv };
        }
        const last = kvs.at(-1);
        from = isLast || last === undefined || range.rangeEnd === undefined ? undefined : `${last.key}\0`;
      }
    }
  }

  /** Reads keys by path, in one transaction. @param keysOnly without their values */
  async find(paths: readonly string[], keysOnly: (path: string) => boolean): Promise<ReadonlyMap<string, KeyValue>> {
    const success = paths.map((path) => read({ key: this.keyOf(path) }, { keysOnly: keysOnly(path) }));
    const { responses } = await this.#transact({ success }, true);
    const found = new Map<string, KeyValue>();
    for (const [i, path] of paths.entries()) {
      const [kv] = keysIn(responses[i]);
      if (kv !== undefined) found.set(path, kv);
    }
    return found;
  }

  /** Sends a transaction, which must compare what it replaces. */
  write(txn: Txn): Promise<TxnResult> {
    return this.#transact(txn, false);
  }

  /** A new lease for each of these TTLs, in seconds. */
  async grant(ttls: readonly number[]): Promise<readonly Lease[]> {
    const limit = pLimit(atOnce);
    return Promise.all(ttls.map((ttl) => limit(() => this.#call((session) => grant(session, ttl)))));
  }

  /** Gives a lease its full time again. Resolves to that, in seconds; undefined if the lease is gone. */
  keepAlive(lease: string): Promise<number | undefined> {
    return this.#call((session) => keepAlive(session, lease));
  }

  /** The seconds that a lease has left; undefined if it is gone. */
  timeLeft(lease: string): Promise<number | undefined> {
    return this.#call((session) => timeLeft(session, lease));
  }

  /** Reads as many keys as are a good size. */
  async #page(range: KeyRange): Promise<{ readonly kvs: readonly KeyValue[]; readonly isLast: boolean }> {
    for (;;) {
      const limit = this.#limit;
      try {
        const success = [read(range, { limit })];
        const { responses } = await this.#transact({ success }, true);
        const kvs = keysIn(responses[0]);
        const size = kvs.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
        if (kvs.length > 0) this.#limit = Math.min(maxPage, Math.max(1, Math.ceil(pageSize / (size / kvs.length))));
        return { kvs, isLast: !hasMore(responses[0]) };
      } catch (error) {
        const isTooLarge = error instanceof ResponseError && error.code === "ERR_BODY_TOO_LARGE";
        if (!isTooLarge || limit === 1) throw error;
        this.#limit = Math.ceil(limit / 4);
      }
    }
  }

  /** @throws {CommandFailed} another cluster has taken the place of the one that was there before */
  async #transact(txn: Txn, readOnly: boolean): Promise<TxnResult> {
    const result = await this.#call((session) => transact(session, txn, { readOnly }));
    const { revision, clusterId } = result.header;
    if (this.clusterId !== "" && clusterId !== this.clusterId)
      throw new CommandFailed(`--to is another cluster now: ${clusterId}, and was ${this.clusterId}`);
    this.clusterId = clusterId;
    this.revision = Math.max(this.revision, revision);
    return result;
  }

  /** Makes a call. With a fresh token, once more, if the server no longer takes the one it had. */
  async #call<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const { credentials } = this.#options;
    for (let isFresh = false; ; isFresh = true) {
      const identity = await this.#identity();
      const session = new Session({
        gateway: this.#gateway,
        layout: this.layout,
        options: resolveV3Options({ namespace: this.#options.namespace }),
        identity,
        signal: undefined,
        limits: undefined,
        view: this.#view,
        leaseTimes: this.#leaseTimes,
        hints: this.#hints,
      });
      try {
        return await work(session);
      } catch (error) {
        const isDenied =
          error instanceof GatewayError &&
          (error.code === grpcCode.unauthenticated || error.code === grpcCode.invalidArgument);
        if (!isDenied || credentials === undefined || isFresh) throw error;
        await this.#tokens.drop(credentials, identity);
      }
    }
  }

  async #identity(): ReturnType<Tokens["identityOf"]> {
    try {
      return await this.#tokens.identityOf(this.#options.credentials, this.#options.signal);
    } catch (error) {
      if (error instanceof WrongPasswordError) throw new CommandFailed("--to: the user name or the password is wrong");
      throw error;
    }
  }
}
