import type { AdminCall, KeysCall, WatchCall } from "../core/call.js";
import type { Administered, CallContext, Done, KeysStore, KeysWatch, Refused } from "../core/keys-store.js";
import { SdkError } from "../util/errors.js";
import { isObject } from "../util/is-object.js";
import { abortable, linkSignal, maxTimerMs, type Link } from "../util/signals.js";

export interface ServedStoreOptions {
  readonly store: KeysStore;
  /** Longest wait for the store's response to a call, and for a watch to be set up, in ms. */
  readonly timeoutMs: number;
  /** The client URLs to report for every member. */
  readonly advertise: () => readonly string[];
}

/**
 * The store as a server uses it: each call has a time limit, the membership reports the server's own URLs, and all watches
 * can be ended at once.
 */
export class ServedStore implements KeysStore {
  /** Absent where the store administers nothing. */
  readonly administer?: NonNullable<KeysStore["administer"]>;
  readonly #options: ServedStoreOptions;
  readonly #open = new Set<Link>();
  #clusterId = "";
  #closed = false;

  constructor(options: ServedStoreOptions) {
    this.#options = options;
    const { store } = options;
    const administer = store.administer?.bind(store);
    if (administer === undefined) return;
    this.administer = async (call, context) =>
      this.#withOwnUrls(call, await this.#limited(context, (signal) => administer(call, { ...context, signal })));
  }

  /** The cluster id of the latest response that had one, in hexadecimal; "" before the first. */
  get clusterId(): string {
    return this.#clusterId;
  }

  execute(call: KeysCall, context: CallContext): Promise<Done | Refused> {
    return this.#limited(context, (signal) => this.#options.store.execute(call, { ...context, signal }));
  }

  async watch(call: WatchCall, context: CallContext): Promise<KeysWatch | Refused> {
    if (this.#closed) throw new ServerClosingError();
    const link = linkSignal(context.signal);
    this.#open.add(link);
    const end = (): void => {
      this.#open.delete(link);
      link.unlink();
    };
    try {
      const watch = await this.#inTime(link, async (signal) => {
        const opened = await this.#options.store.watch(call, { ...context, signal });
        // no call waits for it any more
        if (signal.aborted && !("errorCode" in opened)) opened.close();
        return opened;
      });
      this.#see(watch.clusterId);
      if ("errorCode" in watch) {
        end();
        return watch;
      }
      return watchUntil(watch, link.signal, end);
    } catch (error) {
      end();
      throw error;
    }
  }

  /** Ends all watches without an event. Later ones are refused; other calls are not. */
  endWatches(): void {
    this.#closed = true;
    for (const link of this.#open) link.abort(new ServerClosingError());
  }

  async #limited<T extends { readonly clusterId?: string | undefined }>(
    { signal }: CallContext,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const link = linkSignal(signal);
    try {
      const done = await this.#inTime(link, run);
      this.#see(done.clusterId);
      return done;
    } finally {
      link.unlink();
    }
  }

  async #inTime<T>(link: Link, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { timeoutMs } = this.#options;
    const timer = setTimeout(
      () => {
        link.abort(new OverdueError(timeoutMs));
      },
      Math.min(timeoutMs, maxTimerMs),
    );
    try {
      return await abortable(run(link.signal), link.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  #see(clusterId: string | undefined): void {
    if (clusterId !== undefined && clusterId !== "") this.#clusterId = clusterId;
  }

  #withOwnUrls({ kind }: AdminCall, done: Administered): Administered {
    const { json } = done;
    if ((kind !== "listMembers" && kind !== "leader") || !isObject(json)) return done;
    const clientURLs = this.#options.advertise();
    const members: unknown = json["members"];
    const withUrls = (member: unknown): unknown => (isObject(member) ? { ...member, clientURLs } : member);
    if (Array.isArray(members)) return { ...done, json: { ...json, members: members.map(withUrls) } };
    return json["clientURLs"] === undefined ? done : { ...done, json: withUrls(json) };
  }
}

/** A watch that ends without an event when the server closes. */
function watchUntil(watch: KeysWatch, signal: AbortSignal, end: () => void): KeysWatch {
  const { index, clusterId, raft } = watch;
  return {
    index,
    clusterId,
    raft,
    next: async () => {
      try {
        return await abortable(watch.next(signal), signal);
      } catch (error) {
        if (error instanceof ServerClosingError) return undefined;
        throw error;
      }
    },
    close: () => {
      end();
      watch.close();
    },
  };
}

/** The store has not responded in time. */
class OverdueError extends SdkError {
  readonly code = "ERR_OVERDUE";

  constructor(timeoutMs: number) {
    super(`the store did not respond within ${String(timeoutMs)} ms`);
  }
}

/** The server takes no new watches, since it is being closed. */
class ServerClosingError extends SdkError {
  readonly code = "ERR_CLOSING";

  constructor() {
    super("this server is closing");
  }
}
