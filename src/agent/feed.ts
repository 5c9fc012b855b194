import { linkSignal } from "../util/signals.js";
import type { InstanceSource, SourceUpdate } from "./backend.js";
import type { Instance, InstanceData } from "./instance.js";
import { eventOf, InstanceSet, type Change } from "./instance-set.js";
import type { QueuedWatcher } from "./queued-watcher.js";

/** Ends the wait for a change, not the loop. */
const interrupted = new Error("somebody joined");

/** One loop over one service, shared by all its watchers; it runs from the first to the last of them. */
export class Feed {
  readonly #source: InstanceSource;
  readonly #toInstance: (data: InstanceData) => Instance;
  readonly #onEnd: () => void;
  readonly #present = new InstanceSet();
  /** Their first batch is to come from a read that begins after they came. */
  readonly #joining = new Set<QueuedWatcher>();
  readonly #watchers = new Set<QueuedWatcher>();
  readonly #ending = new AbortController();
  #interrupt: () => void = noop;
  #loop: Promise<void> | undefined;

  /** @param onEnd told once, before the loop has ended: nobody may join from then on */
  constructor(source: InstanceSource, toInstance: (data: InstanceData) => Instance, onEnd: () => void) {
    this.#source = source;
    this.#toInstance = toInstance;
    this.#onEnd = onEnd;
  }

  /** All that are not closed. */
  watchers(): readonly QueuedWatcher[] {
    return [...this.#watchers, ...this.#joining];
  }

  join(watcher: QueuedWatcher): void {
    this.#joining.add(watcher);
    this.#interrupt();
    this.#loop ??= this.#run();
  }

  /** Resolves at once, but for the last of them: once the loop has ended. */
  async leave(watcher: QueuedWatcher): Promise<void> {
    const known = this.#joining.delete(watcher) || this.#watchers.delete(watcher);
    if (!known || this.#joining.size > 0 || this.#watchers.size > 0) return;
    this.#onEnd();
    this.#ending.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    // whoever joins in the same turn shares the first read
    await Promise.resolve();
    try {
      while (!this.#ending.signal.aborted) await this.#step([...this.#joining]);
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      this.#onEnd();
      for (const watcher of this.watchers()) watcher.fail(error);
      this.#joining.clear();
      this.#watchers.clear();
    }
  }

  async #step(joining: readonly QueuedWatcher[]): Promise<void> {
    const reading = joining.length > 0;
    const wait = linkSignal(this.#ending.signal);
    if (reading) this.#source.reread();
    else
      this.#interrupt = () => {
        wait.abort(interrupted);
      };
    try {
      const update = await this.#source.next(wait.signal);
      for (const change of this.#changes(update)) for (const watcher of this.#watchers) watcher.push(change);
      if (reading) this.#admit(joining);
    } catch (error) {
      if (error !== interrupted) throw error;
    } finally {
      this.#interrupt = noop;
      wait.unlink();
    }
  }

  #admit(joining: readonly QueuedWatcher[]): void {
    const present = this.#present.values().map((instance) => eventOf("add", instance));
    for (const watcher of joining) {
      if (!this.#joining.delete(watcher)) continue;
      this.#watchers.add(watcher);
      watcher.begin(present);
    }
  }

  #changes(update: SourceUpdate): readonly Change[] {
    if (update.kind === "state") return this.#present.apply(update.instances.map(this.#toInstance));
    return update.changes.flatMap((change) =>
      change.type === "set" ? this.#present.set(this.#toInstance(change.instance)) : this.#present.remove(change.id),
    );
  }
}

function noop(): void {
  // nothing is being waited for
}
