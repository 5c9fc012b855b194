import { Mirror, type KeyNode, type KeysAPI, type MirrorUpdate } from "../core/index.js";
import { Handle } from "../util/handle.js";
import type { StalledWarning } from "../util/stalled-warning.js";

/** One subscriber to the changes of a directory. */
export interface Subscriber {
  /** @param nodes all files of the directory, if the update is a list */
  update(update: MirrorUpdate, nodes: ReadonlyMap<string, KeyNode>): void;
  /** The last call: the changes ended with this error. */
  fail(error: unknown): void;
}

/** The changes below a service's directory, for any number of subscribers. */
export interface ChangeSource {
  /** Whether the first list has been handed out: a subscriber that joins later must read a list of its own. */
  readonly listed: boolean;
  /** Adds a subscriber; the first one starts the source. */
  join(subscriber: Subscriber): void;
  /** When the last one leaves, resolves once nothing is left running. */
  leave(subscriber: Subscriber): Promise<void>;
  /** Reads the directory once. Rejects with the signal's reason when aborted. */
  list(signal: AbortSignal): Promise<MirrorUpdate>;
}

/** What a {@link SharedMirror} is made of. */
export interface SharedMirrorOptions {
  /** The keys to read and watch with. */
  readonly keys: KeysAPI;
  /** The directory; need not exist. */
  readonly dir: string;
  /** Called for each failure that is retried. Must not throw. */
  readonly onError: (error: unknown) => void;
  /** Warns if the first list does not come and the user has no handler. */
  readonly stalled: StalledWarning;
  /** Called when it is over: no reader may join from then on. */
  readonly onEnd: () => void;
}

/** One mirror, and so one long poll, however many subscribe. It runs from the first subscriber to the last. */
export class SharedMirror implements ChangeSource {
  readonly #options: SharedMirrorOptions;
  readonly #subscribers = new Set<Subscriber>();
  #handle: Handle | undefined;
  #listed = false;

  constructor(options: SharedMirrorOptions) {
    this.#options = options;
  }

  get listed(): boolean {
    return this.#listed;
  }

  join(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber);
    this.#handle ??= new Handle("the mirror", { run: ({ signal }) => this.#run(signal) });
  }

  async leave(subscriber: Subscriber): Promise<void> {
    this.#subscribers.delete(subscriber);
    if (this.#subscribers.size > 0) return;
    this.#options.onEnd();
    await this.#handle?.close();
  }

  list(signal: AbortSignal): Promise<MirrorUpdate> {
    return this.#mirror().next(signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { stalled, onEnd } = this.#options;
    const mirror = this.#mirror();
    stalled.start();
    try {
      for (;;) {
        const update = await mirror.next(signal);
        stalled.end();
        this.#listed = true;
        const nodes = update.kind === "list" ? mirror.nodes : noNodes;
        for (const subscriber of [...this.#subscribers]) subscriber.update(update, nodes);
      }
    } catch (error) {
      if (signal.aborted) return;
      onEnd();
      for (const subscriber of [...this.#subscribers]) subscriber.fail(error);
    } finally {
      stalled.end();
    }
  }

  #mirror(): Mirror {
    const { keys, dir, onError, stalled } = this.#options;
    return new Mirror(keys, dir, {
      onError: (error) => {
        stalled.failed(error);
        onError(error);
      },
    });
  }
}

const noNodes: ReadonlyMap<string, KeyNode> = new Map();
