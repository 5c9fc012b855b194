import { noop } from "../util/deferred.js";
import { Handle } from "../util/handle.js";
import { Queue } from "../util/queue.js";
import { linkSignal } from "../util/signals.js";
import type { InstanceEvent, ServiceWatcher } from "./agent.js";
import type { InstanceSource, SourceUpdate } from "./backend.js";
import { keyOfInstance, type Instance, type InstanceData } from "./instance.js";
import { eventOf, InstanceSet, type Change } from "./instance-set.js";
import { UnreadEvents, type WatchUpdate } from "./unread-events.js";

/** Ends the wait for a change, not the loop. */
const interrupted = new Error("a watcher joined");

type WatcherQueue = Queue<WatchUpdate, readonly InstanceEvent[]>;

export interface SharedWatchOptions {
  readonly source: InstanceSource;
  readonly toInstance: (data: InstanceData) => Instance;
  /** Called when the loop is about to end: no watcher may join from then on. May be called again. */
  readonly onEnd: () => void;
}

/** One loop over one service, shared by all its watchers. It runs from the first watcher to the last. */
export class SharedWatch {
  readonly #options: SharedWatchOptions;
  readonly #present = new InstanceSet(keyOfInstance);
  /** Watchers whose first batch must come from a read that begins after they joined. */
  readonly #joining = new Set<WatcherQueue>();
  readonly #joined = new Set<WatcherQueue>();
  #interrupt: () => void = noop;
  #loop: Handle | undefined;

  constructor(options: SharedWatchOptions) {
    this.#options = options;
  }

  /** Adds a watcher of instances with these tags. */
  open(tags: readonly string[], signal: AbortSignal | undefined): ServiceWatcher {
    const queue: WatcherQueue = new Queue("this watcher", {
      unread: new UnreadEvents(tags),
      signal,
      release: (ended) => this.#leave(ended),
    });
    if (queue.ended) return queue;
    this.#joining.add(queue);
    this.#interrupt();
    this.#loop ??= new Handle("the watch", { run: (running) => this.#run(running.signal) });
    return queue;
  }

  /** Closes all watchers. */
  async close(): Promise<void> {
    await Promise.all(this.#queues().map((queue) => queue.close()));
  }

  #queues(): readonly WatcherQueue[] {
    return [...this.#joined, ...this.#joining];
  }

  /** Resolves at once; for the last watcher, once the loop has ended. */
  async #leave(queue: WatcherQueue): Promise<void> {
    this.#joining.delete(queue);
    this.#joined.delete(queue);
    if (this.#queues().length > 0) return;
    this.#options.onEnd();
    await this.#loop?.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    try {
      for (;;) await this.#step([...this.#joining], signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#options.onEnd();
      for (const queue of this.#queues()) queue.fail(error);
    }
  }

  async #step(joining: readonly WatcherQueue[], signal: AbortSignal): Promise<void> {
    const { source } = this.#options;
    const isRead = joining.length > 0;
    const wait = linkSignal(signal);
    if (isRead) source.reread();
    else {
      this.#interrupt = () => {
        wait.abort(interrupted);
      };
    }
    try {
      const changes = this.#apply(await source.next(wait.signal));
      signal.throwIfAborted();
      if (changes.length > 0) for (const queue of this.#joined) queue.push({ isFirst: false, changes });
      if (isRead) this.#admit(joining);
    } catch (error) {
      if (error !== interrupted) throw error;
    } finally {
      this.#interrupt = noop;
      wait.unlink();
    }
  }

  #admit(joining: readonly WatcherQueue[]): void {
    const changes = this.#present
      .values()
      .map((instance): Change => ({ event: eventOf("add", instance), before: undefined }));
    for (const queue of joining) {
      if (!this.#joining.delete(queue)) continue;
      this.#joined.add(queue);
      queue.push({ isFirst: true, changes });
    }
  }

  #apply(update: SourceUpdate): readonly Change[] {
    const { toInstance } = this.#options;
    if (update.kind === "state") return this.#present.apply(update.instances.map(toInstance));
    return update.changes.flatMap((change) =>
      change.type === "set" ? this.#present.set(toInstance(change.instance)) : this.#present.remove(change.id),
    );
  }
}
