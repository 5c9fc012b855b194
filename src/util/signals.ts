/** A signal of our own that follows other signals until it is unlinked. */
export interface Link {
  readonly signal: AbortSignal;
  /** Aborts the signal, but not those that it follows. */
  readonly abort: (reason: unknown) => void;
  /** Stops following. Call it in `finally`: otherwise a listener stays on the parents. */
  readonly unlink: () => void;
}

/**
 * Derives a signal that aborts when the first of its parents does, with the same reason. All links of one parent share a
 * single listener, which is removed with the last of them: a parent may live long and serve thousands of calls at once.
 */
export function linkSignal(...parents: readonly (AbortSignal | undefined)[]): Link {
  const controller = new AbortController();
  const followers = parents.map((parent) => follow(parent, controller));
  return {
    signal: controller.signal,
    abort: (reason) => {
      controller.abort(reason);
    },
    unlink: () => {
      for (const follower of followers) follower?.off();
    },
  };
}

/**
 * Derives a signal that aborts after that many ms, too: with a `TimeoutError`, as `AbortSignal.timeout` does. The timer does
 * not keep the process alive, and `unlink` clears it.
 *
 * In place of `AbortSignal.any([AbortSignal.timeout(ms), ...])`: Node 20 collects a timeout that nothing else refers to, and
 * then the signal never aborts.
 */
export function limitTime(ms: number, ...parents: readonly (AbortSignal | undefined)[]): Link {
  const link = linkSignal(...parents);
  const timer = setTimeout(() => {
    link.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError"));
  }, ms).unref();
  return {
    ...link,
    unlink: () => {
      clearTimeout(timer);
      link.unlink();
    },
  };
}

/**
 * Calls back when the signal aborts; at once, before it returns, if the signal has aborted already. Shares listeners as
 * {@link linkSignal} does.
 *
 * @returns removes the callback; may be called at any time
 */
export function onAbort(signal: AbortSignal | undefined, callback: (reason: unknown) => void): () => void {
  const follower = follow(signal, { abort: callback });
  return () => follower?.off();
}

/** Settles as the promise does, but rejects with the signal's reason as soon as that aborts. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const off = onAbort(signal, reject);
    promise.then(
      (value) => {
        off();
        resolve(value);
      },
      (error: unknown) => {
        off();
        reject(error);
      },
    );
  });
}

/** Throws the reason of a signal that has aborted. Use it on callers' signals: jsdom's have no method of this name. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw reasonOf(signal);
}

/** Why a signal has aborted. Old polyfills have no reason. */
function reasonOf(signal: AbortSignal): unknown {
  return (signal.reason as unknown) ?? new DOMException("This operation was aborted", "AbortError");
}

/** Resolves when the signal aborts. For signals of our own: it leaves a listener until then. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    onAbort(signal, () => {
      resolve();
    });
  });
}

/** Rejects with the signal's reason when it aborts. For signals of our own: it leaves a listener until then. */
export function rejectWhenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    onAbort(signal, reject);
  });
}

/** The longest delay of Node's timers, in ms. With a longer one they fire at once. */
export const maxTimerMs = 2 ** 31 - 1;

/**
 * Waits.
 *
 * @param ms 0 or less: until the next turn of the timers; above {@link maxTimerMs}, `Infinity` included: that maximum
 * @throws the signal's reason when it aborts
 */
export function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      off();
      resolve();
    };
    const timer = setTimeout(done, Math.min(Math.max(0, ms), maxTimerMs));
    const off = onAbort(signal, (reason) => {
      clearTimeout(timer);
      reject(reason);
    });
  });
}

/** Ends when a signal aborts that it follows. An `AbortController` is one. */
export interface Abortable {
  abort(reason: unknown): void;
}

/** Follows a signal until it is taken off. An object, since the closures in its place took four times the memory, for each request. */
export class Follower {
  readonly target: Abortable;
  /** The others of the same signal. */
  previous: Follower | undefined;
  next: Follower | undefined;
  #hub: Hub | undefined;

  constructor(target: Abortable, hub: Hub) {
    this.target = target;
    this.#hub = hub;
    this.next = hub.first;
    if (this.next !== undefined) this.next.previous = this;
    hub.first = this;
  }

  /** Stops following; may be called at any time. */
  off(): void {
    const hub = this.#hub;
    if (hub === undefined) return;
    this.#hub = undefined;
    const { previous, next } = this;
    if (previous !== undefined) previous.next = next;
    else if (hub.first === this) hub.first = next;
    if (next !== undefined) next.previous = previous;
    // a follower in the old generation would keep its neighbours alive, and they theirs: all requests until the next full collection
    this.previous = this.next = undefined;
    if (hub.first === undefined) dropHub(hub);
  }
}

/** Those that follow one signal: a linked list. They come and go with each request, and a Set would add half of its cost (measured). */
interface Hub {
  readonly parent: AbortSignal;
  first: Follower | undefined;
  readonly listener: () => void;
}

const hubs = new WeakMap<AbortSignal, Hub>();

/**
 * Aborts `target` when the signal aborts; at once, before it returns, if the signal has aborted already. Shares listeners as
 * {@link linkSignal} does.
 *
 * @returns undefined if there is nothing to follow
 */
export function follow(signal: AbortSignal | undefined, target: Abortable): Follower | undefined {
  if (signal === undefined) return undefined;
  if (!signal.aborted) return new Follower(target, hubs.get(signal) ?? newHub(signal));
  target.abort(reasonOf(signal));
  return undefined;
}

function newHub(parent: AbortSignal): Hub {
  const hub: Hub = {
    parent,
    first: undefined,
    listener: () => {
      const followers: Follower[] = [];
      for (let follower = hub.first; follower !== undefined; follower = follower.next) followers.push(follower);
      const reason = reasonOf(parent);
      for (const { target } of followers) target.abort(reason);
    },
  };
  hubs.set(parent, hub);
  parent.addEventListener("abort", hub.listener, { once: true });
  return hub;
}

function dropHub(hub: Hub): void {
  const { parent } = hub;
  if (hubs.get(parent) === hub) hubs.delete(parent);
  parent.removeEventListener("abort", hub.listener);
}
