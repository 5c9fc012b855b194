import type { KeysResponse } from "../../core/index.js";
import { batchKeys, batchSize } from "./writer.js";

/** How large the values of waiting events may be together, in characters. */
const maxWaiting = 16_000_000;

/** The next step to do. */
export type Batch =
  | { readonly kind: "events"; readonly events: readonly KeysResponse[] }
  /** Keys to be read again, each with what is below it if it is, or was, a directory. */
  | { readonly kind: "keys"; readonly files: readonly string[]; readonly trees: readonly string[] };

/**
 * The changes of v2 that are not in v3 yet. Usually they are applied in their order, so that v3 is always what v2 was a
 * moment ago. While both are compared, and when too much is waiting, only the keys are remembered, to be read again.
 */
export class Changes {
  readonly #files = new Set<string>();
  readonly #trees = new Set<string>();
  #events: KeysResponse[] = [];
  #size = 0;
  #isCollecting = true;
  #wake: () => void = () => undefined;

  /** How many changes are waiting. */
  get waiting(): number {
    return this.#events.length + this.#files.size + this.#trees.size;
  }

  /** From now on only the keys are remembered. */
  collect(): void {
    this.#isCollecting = true;
    for (const event of this.#events) this.#markEvent(event);
    this.#events = [];
    this.#size = 0;
  }

  /** Takes an event of a watcher. @param root what is watched */
  add(event: KeysResponse, root: string): void {
    const { node } = event;
    // a directory above was deleted
    if (node.key !== root && root !== "/" && !node.key.startsWith(`${root}/`)) this.mark(root, true);
    else if (this.#isCollecting) this.#markEvent(event);
    else {
      this.#events.push(event);
      this.#size += node.value.length;
      if (this.#size > maxWaiting) this.collect();
    }
    this.wake();
  }

  /** Marks a key to be read again. @param isTree with everything below it */
  mark(key: string, isTree: boolean): void {
    (isTree ? this.#trees : this.#files).add(key);
    this.wake();
  }

  /** Ends a wait. */
  wake(): void {
    this.#wake();
  }

  /** Takes the next step to do; undefined if nothing is waiting. */
  take(): Batch | undefined {
    const files = [...first(this.#files, batchKeys)];
    const trees = [...first(this.#trees, batchKeys)];
    if (files.length + trees.length > 0) {
      for (const key of files) this.#files.delete(key);
      for (const key of trees) this.#trees.delete(key);
      return { kind: "keys", files, trees };
    }
    // all that was collected has been read: from here on in their order
    this.#isCollecting = false;
    return this.#events.length === 0 ? undefined : { kind: "events", events: this.#takeEvents() };
  }

  /** Resolves when something may be waiting. Rejects with the signal's reason. */
  async wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.waiting > 0) return;
    await new Promise<void>((resolve) => {
      this.#wake = () => {
        signal.removeEventListener("abort", this.#wake);
        resolve();
      };
      signal.addEventListener("abort", this.#wake);
    });
    signal.throwIfAborted();
  }

  /** As many events as one transaction takes. The deletion of a directory comes alone. */
  #takeEvents(): readonly KeysResponse[] {
    const keys = new Set<string>();
    let size = 0;
    let count = 0;
    for (const event of this.#events) {
      const { key, value } = event.node;
      const isFull = keys.size === batchKeys || size + value.length > batchSize;
      if (count > 0 && (isFull || touchesTree(event))) break;
      keys.add(key);
      size += value.length;
      count++;
      if (touchesTree(event)) break;
    }
    const taken = this.#events.splice(0, count);
    for (const { node } of taken) this.#size -= node.value.length;
    return taken;
  }

  #markEvent(event: KeysResponse): void {
    const { node, prevNode } = event;
    this.mark(node.key, node.dir || prevNode?.dir === true);
  }
}

/** Whether an event is about more than a key: a directory went, or took the place of a file. */
export function touchesTree({ action, node, prevNode }: KeysResponse): boolean {
  return (node.dir && (isRemoval(action) || prevNode !== undefined)) || prevNode?.dir === true;
}

/** Whether the node of an event is gone. */
export function isRemoval(action: KeysResponse["action"]): boolean {
  return action === "delete" || action === "expire" || action === "compareAndDelete";
}

function* first<T>(all: Iterable<T>, count: number): Generator<T, void, undefined> {
  let left = count;
  for (const each of all) {
    if (left-- === 0) return;
    yield each;
  }
}
