import { throwIfAborted } from "./signals.js";

/** How long long work may go on before everything else has its turn, in ms. */
const sliceMs = 5;

/** How many items are worked on between two looks at the clock. */
const itemsAtOnce = 256;

/** Kept from the start: a test that mocks the timers would otherwise stop long work. */
const { setImmediate: onNextTurn } = globalThis;

/** Long work that lets everything else run now and then. Create it when the work begins. */
export class Slice {
  #sinceMs = performance.now();

  /** Whether the work has gone on for so long that it should wait for {@link next}. */
  get isOver(): boolean {
    return performance.now() - this.#sinceMs >= sliceMs;
  }

  /** Gives everything else its turn, and begins the next slice. */
  async next(): Promise<void> {
    await nextTurn();
    this.#sinceMs = performance.now();
  }
}

/**
 * Runs long work in slices, so that timers, sockets and other calls have their turn in between.
 *
 * @param step does a small piece, and returns whether there is more
 * @throws what `step` throws, and the signal's reason when it aborts in between
 */
export async function inSlices(step: () => boolean, signal?: AbortSignal): Promise<void> {
  const slice = new Slice();
  while (step()) {
    if (!slice.isOver) continue;
    await slice.next();
    throwIfAborted(signal);
  }
}

/** Calls `each` with every item, in slices as {@link inSlices} does. */
export function forEachInSlices<T>(items: Iterable<T>, each: (item: T) => void, signal?: AbortSignal): Promise<void> {
  const iterator = items[Symbol.iterator]();
  return inSlices(() => {
    for (let i = 0; i < itemsAtOnce; i++) {
      const next = iterator.next();
      if (next.done === true) return false;
      each(next.value);
    }
    return true;
  }, signal);
}

/** Resolves once everything else has had its turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    onNextTurn(resolve);
  });
}
