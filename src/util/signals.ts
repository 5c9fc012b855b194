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
  if (signal === undefined) return noop;
  if (!signal.aborted) return follow(signal, callback);
  callback(reasonOf(signal));
  return noop;
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

interface Follower {
  readonly callback: (reason: unknown) => void;
  previous: Follower | undefined;
  next: Follower | undefined;
}

/** The callbacks on one signal: a linked list. They come and go with each request, and a Set would add half of its cost (measured). */
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
    // a follower in the old generation would keep its neighbours alive, and they theirs: all requests until the next full collection
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
      const reason = reasonOf(parent);
      for (const follower of followers) follower.callback(reason);
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
