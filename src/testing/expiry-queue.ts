import type { TreeNode } from "./key-node.js";

interface Due {
  readonly atMs: number;
  readonly node: TreeNode;
}

/**
 * A heap of nodes by the time at which they expire. Entries whose node was written or removed since are skipped, and swept
 * out when they are most of the heap.
 */
export class ExpiryQueue {
  #heap: Due[] = [];
  #live = 0;

  /** Whether any node has a TTL. */
  get isEmpty(): boolean {
    return this.#live === 0;
  }

  /** When the next node expires, in ms of the clock; undefined: never. */
  get nextMs(): number | undefined {
    return this.#first()?.atMs;
  }

  /** Takes a node's `expiresMs` into account. Call {@link forget} before that is changed. */
  add(node: TreeNode): void {
    if (node.expiresMs === undefined) return;
    this.#live++;
    this.#push({ atMs: node.expiresMs, node });
  }

  /** The node's `expiresMs` is about to change, or the node is removed. */
  forget(node: TreeNode): void {
    if (node.expiresMs === undefined) return;
    this.#live--;
    if (this.#heap.length > 2 * this.#live + 64) this.#compact(node);
  }

  /** The node that expires first, if that is at or before the given time. It stays in the queue. */
  due(untilMs: number): TreeNode | undefined {
    const first = this.#first();
    return first !== undefined && first.atMs <= untilMs ? first.node : undefined;
  }

  #first(): Due | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || isLive(first)) return first;
      this.#pop();
    }
  }

  #compact(leaving: TreeNode): void {
    const kept = this.#heap.filter((due) => due.node !== leaving && isLive(due));
    this.#heap = kept.sort((a, b) => a.atMs - b.atMs);
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let at = heap.push(due) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || parent.atMs <= due.atMs) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = due;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      const right = heap[below + 1];
      let child = heap[below];
      if (child === undefined) break;
      if (right !== undefined && right.atMs < child.atMs) {
        below++;
        child = right;
      }
      if (last.atMs <= child.atMs) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
  }
}

function isLive({ atMs, node }: Due): boolean {
  return !node.removed && node.expiresMs === atMs;
}
