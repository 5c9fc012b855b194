/** A signal of one's own that follows others until unlinked. */
export interface Link {
  readonly signal: AbortSignal;
  readonly abort: (reason: unknown) => void;
  /** Lets go of the parents; to be called in `finally`. */
  readonly unlink: () => void;
}

/**
 * Derives a signal. All links of one parent share a single listener on it, which goes with the last of them: a parent
 * may live long and serve thousands of calls at once.
 */
export function linkSignal(...parents: readonly (AbortSignal | undefined)[]): Link {
  const controller = new AbortController();
  const abort = (reason: unknown): void => {
    controller.abort(reason);
  };
  const offs = parents.map((parent) => onAbort(parent, abort));
  return {
    signal: controller.signal,
    abort,
    unlink: () => {
      for (const off of offs) off();
    },
  };
}

/** Calls `onAbort` when the signal aborts, at once if it has; returns what undoes it. Shares listeners as {@link linkSignal} does. */
export function onAbort(signal: AbortSignal | undefined, callback: (reason: unknown) => void): () => void {
  if (signal === undefined) return noop;
  if (!signal.aborted) return follow(signal, callback);
  callback(signal.reason);
  return noop;
}

/** Rejects with the signal's reason as soon as it aborts; else settles as the promise does. */
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

/** Throws the reason of a signal that has aborted. Also for signals without the method of this name, as jsdom's are. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw signal.reason;
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

/** The longest delay that Node's timers take, in ms; above it they fire at once. */
export const maxTimerMs = 2 ** 31 - 1;

/** Waits, in ms. Rejects with the signal's reason. */
export function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      off();
      resolve();
    };
    const timer = setTimeout(done, Math.min(ms, maxTimerMs));
    const off = onAbort(signal, (reason) => {
      clearTimeout(timer);
      reject(reason);
    });
  });
}

interface Follower {
  readonly callback: (reason: unknown) => void;
  previous: Follower | undefined;
  next: Follower | undefined;
}

/** A linked list: followers come and go once per request, and a set costs half as much again as the request (measured). */
interface Hub {
  first: Follower | undefined;
  readonly listener: () => void;
}

const hubs = new WeakMap<AbortSignal, Hub>();

function follow(parent: AbortSignal, callback: (reason: unknown) => void): () => void {
  const hub = hubs.get(parent) ?? newHub(parent);
  const follower: Follower = { callback, previous: undefined, next: hub.first };
  if (hub.first !== undefined) hub.first.previous = follower;
  hub.first = follower;
  let linked = true;
  return () => {
    if (!linked) return;
    linked = false;
    if (follower.previous !== undefined) follower.previous.next = follower.next;
    else if (hub.first === follower) hub.first = follower.next;
    if (follower.next !== undefined) follower.next.previous = follower.previous;
    // what was promoted to the old generation would keep its neighbours of then alive, and they theirs: every request until the next full collection
    follower.previous = follower.next = undefined;
    if (hub.first === undefined) dropHub(parent, hub);
  };
}

function newHub(parent: AbortSignal): Hub {
  const hub: Hub = {
    first: undefined,
    listener: () => {
      const followers: Follower[] = [];
      for (let follower = hub.first; follower !== undefined; follower = follower.next) followers.push(follower);
      for (const follower of followers) follower.callback(parent.reason);
    },
  };
  hubs.set(parent, hub);
  parent.addEventListener("abort", hub.listener, { once: true });
  return hub;
}

function dropHub(parent: AbortSignal, hub: Hub): void {
  if (hubs.get(parent) === hub) hubs.delete(parent);
  parent.removeEventListener("abort", hub.listener);
}

function noop(): void {
  // nothing to undo
}
