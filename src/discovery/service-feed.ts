import { Mirror, type KeyNode, type KeysAPI, type MirrorUpdate } from "../core/index.js";
import { linkSignal } from "../util/signals.js";

/** One who takes part in a feed. */
export interface FeedListener {
  /** @param nodes all files, with a list */
  update(update: MirrorUpdate, nodes: ReadonlyMap<string, KeyNode>): void;
  /** The last call: it ended with this error. */
  fail(error: unknown): void;
}

/** Changes below a service's directory, for any number of listeners. */
export interface Feed {
  /** Whether its first list has been handed out: who joins later must read one of its own. */
  readonly listed: boolean;
  join(listener: FeedListener): void;
  /** When the last one leaves, resolves once nothing is left running. */
  leave(listener: FeedListener): Promise<void>;
  list(signal: AbortSignal): Promise<MirrorUpdate>;
}

export interface EtcdFeedOptions {
  readonly keys: KeysAPI;
  readonly dir: string;
  readonly onError: (error: unknown) => void;
  /** Called when it is over, so that nobody joins any more. */
  readonly onEnd: () => void;
}

/** One mirror, and so one long poll, however many listen. */
export class EtcdFeed implements Feed {
  readonly #options: EtcdFeedOptions;
  readonly #listeners = new Set<FeedListener>();
  readonly #link = linkSignal(undefined);
  #loop: Promise<void> | undefined;
  #listed = false;

  constructor(options: EtcdFeedOptions) {
    this.#options = options;
  }

  get listed(): boolean {
    return this.#listed;
  }

  join(listener: FeedListener): void {
    this.#listeners.add(listener);
    this.#loop ??= this.#run();
  }

  async leave(listener: FeedListener): Promise<void> {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    this.#options.onEnd();
    this.#link.abort(undefined);
    await this.#loop;
  }

  list(signal: AbortSignal): Promise<MirrorUpdate> {
    return this.#mirror().next(signal);
  }

  async #run(): Promise<void> {
    const mirror = this.#mirror();
    try {
      for (;;) {
        const update = await mirror.next(this.#link.signal);
        this.#listed = true;
        const nodes = update.kind === "list" ? mirror.nodes : noNodes;
        for (const listener of [...this.#listeners]) listener.update(update, nodes);
      }
    } catch (error) {
      this.#options.onEnd();
      for (const listener of [...this.#listeners]) listener.fail(error);
    }
  }

  #mirror(): Mirror {
    const { keys, dir, onError } = this.#options;
    return new Mirror(keys, dir, { onError });
  }
}

const noNodes: ReadonlyMap<string, KeyNode> = new Map();
