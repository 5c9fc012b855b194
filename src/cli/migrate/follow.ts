import { setTimeout as sleep } from "node:timers/promises";
import pLimit from "p-limit";
import { ClusterError, isIndexCleared, type KeyNode } from "../../core/index.js";
import { CommandFailed } from "../io.js";
import type { Progress } from "../progress.js";
import { Changes, isRemoval, touchesTree, type Batch } from "./changes.js";
import type { Job } from "./job.js";
import { Keeper } from "./keeper.js";
import { copy, scanTree } from "./copy.js";
import type { Place } from "./source.js";
import { Writer, type Item } from "./writer.js";

/** How many keys are read again at once. */
const atOnce = 16;
/** How long a watcher goes on while no endpoint of v2 responds, in ms. */
const outageMs = 60_000;
const pauseMs = 500;
/** How often progress is shown while nothing happens, in ms. */
const tickMs = 100;
/** How many ranges of revisions are kept before a comparison finds out which of them still matter. */
const maxRanges = 20_000;

/**
 * Copies v2 and applies its changes until the signal aborts. Changes are collected from before the first key is read, so none
 * is missed. When v2's history runs out, which is 1000 events long, both stores are compared again.
 *
 * Rejects with the signal's reason, or with what ended it.
 */
export class Follower {
  readonly writer: Writer;
  readonly #job: Job;
  readonly #changes = new Changes();
  readonly #progress: Progress;
  readonly #keeper: Keeper;
  #needsScan = true;
  #isScanning = false;
  /** The index of the last event that came. */
  #lastIndex = 0;

  constructor(job: Job) {
    this.#job = job;
    this.#keeper = new Keeper(job.target, (path) => {
      this.#changes.mark(path, false);
    });
    this.writer = new Writer(job, this.#keeper);
    this.#progress = job.begin("follow", () => ({
      lag: this.#changes.waiting,
      conflicts: this.writer.conflicts.size,
    }));
  }

  async run(): Promise<never> {
    const ending = new AbortController();
    const signal = AbortSignal.any([ending.signal, this.#job.signal]);
    const place = await this.#place();
    const tick = setInterval(() => {
      if (!this.#isScanning) this.#progress.update();
    }, tickMs);
    const watches = this.#job.roots.map((root) => this.#watch(root, place, signal));
    const loops = [...watches, this.#keeper.run(signal), this.#apply(signal)];
    try {
      return await Promise.race(loops);
    } finally {
      clearInterval(tick);
      ending.abort();
      await Promise.allSettled(loops);
      this.#progress.clear();
      this.#job.state.save();
    }
  }

  /** Reports how it ended. */
  end(exit?: number): void {
    this.#progress.end(exit);
  }

  /** Where v2 is. @throws {CommandFailed} it is another cluster than before */
  async #place(): Promise<Place> {
    const { source, state, options } = this.#job;
    const place = await source.place(options.prefix);
    if (place.clusterId !== state.scope.from)
      throw new CommandFailed(`--from is another cluster now: ${place.clusterId}, and was ${state.scope.from}`);
    return place;
  }

  async #watch(root: string, from: Place, signal: AbortSignal): Promise<never> {
    const { source, say } = this.#job;
    let watcher = source.watcher(root, from);
    let answeredMs = performance.now();
    for (;;) {
      try {
        const event = await watcher.next(signal);
        answeredMs = performance.now();
        this.#lastIndex = Math.max(this.#lastIndex, event.node.modifiedIndex);
        this.#changes.add(event, root);
      } catch (error) {
        signal.throwIfAborted();
        if (isIndexCleared(error)) {
          say("v2 no longer has the history since the last event: comparing both stores again");
          watcher = source.watcher(root, await this.#place());
          answeredMs = performance.now();
          this.#scanAgain();
        } else if (error instanceof ClusterError && performance.now() - answeredMs < outageMs) {
          await sleep(pauseMs, undefined, { signal });
        } else throw error;
      }
    }
  }

  #scanAgain(): void {
    this.#needsScan = true;
    this.#changes.wake();
  }

  async #apply(signal: AbortSignal): Promise<never> {
    const { state, say } = this.#job;
    let wasIdle = false;
    let hasCaughtUp = false;
    for (;;) {
      signal.throwIfAborted();
      if (this.#needsScan) {
        await this.#scan();
        hasCaughtUp = false;
      }
      const batch = this.#changes.take();
      if (batch !== undefined) {
        wasIdle = false;
        await this.#applyBatch(batch);
        if (state.ranges.length > maxRanges) this.#scanAgain();
        continue;
      }
      if (!wasIdle) {
        wasIdle = true;
        state.phase = "follow";
        state.index = Math.max(state.index, this.#lastIndex);
        state.save();
      }
      if (!hasCaughtUp) {
        hasCaughtUp = true;
        say("caught up with v2; changes are applied as they come, until Ctrl-C");
      }
      await this.#changes.wait(signal);
    }
  }

  async #scan(): Promise<void> {
    this.#changes.collect();
    const { index } = await this.#place();
    // events that are lost from here on need another comparison
    this.#needsScan = false;
    this.#isScanning = true;
    try {
      await copy(this.#job, this.writer, index);
    } finally {
      this.#isScanning = false;
    }
  }

  async #applyBatch(batch: Batch): Promise<void> {
    if (batch.kind === "keys") {
      await this.#readAgain(batch.files, batch.trees);
      return;
    }
    const { events } = batch;
    const [first] = events;
    if (first !== undefined && events.length === 1 && touchesTree(first)) await this.#readAgain([], [first.node.key]);
    else {
      const items = new Map<string, Item>();
      for (const { action, node } of events) {
        const path = node.dir ? `${node.key}/` : node.key;
        items.set(path, { path, node: isRemoval(action) ? undefined : node, isEvent: true });
      }
      await this.writer.write([...items.values()]);
    }
    for (const { node } of events) this.#progress.step(node.key);
    this.#job.state.index = events.at(-1)?.node.modifiedIndex ?? this.#job.state.index;
  }

  async #readAgain(files: readonly string[], trees: readonly string[]): Promise<void> {
    const { source } = this.#job;
    const atLeast = this.#lastIndex;
    const limit = pLimit(atOnce);
    const read = (key: string): Promise<KeyNode | undefined> => limit(() => source.read(key, atLeast));
    // one after the other into transactions, so that large values are not all in memory
    for (let i = 0; i < files.length; i += atOnce) {
      const some = files.slice(i, i + atOnce);
      const nodes = await Promise.all(some.map(read));
      const items = some.map((path, at) => ({ path, node: nodes[at] }));
      const isFile = ({ node }: Item): boolean => node?.dir !== true;
      await this.writer.write(items.filter(isFile));
      for (const { path } of items.filter((item) => !isFile(item)))
        await scanTree(this.#job, this.writer, path, atLeast);
    }
    for (const key of trees) {
      this.writer.forgetDirectories();
      await scanTree(this.#job, this.writer, key, atLeast);
    }
    for (const key of [...files, ...trees]) this.#progress.step(key);
  }
}
