import { abortable, linkSignal, onAbort, sleep } from "./signals.js";

/** Calls with a signal that follows the parent's and aborts after that many ms, and waits no longer even for a call that ignores it. */
export async function bounded<T>(
  ms: number,
  parent: AbortSignal | undefined,
  tooLate: () => unknown,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const link = linkSignal(parent);
  const timer = setTimeout(() => {
    link.abort(tooLate());
  }, ms);
  try {
    link.signal.throwIfAborted();
    return await abortable(call(link.signal), link.signal);
  } finally {
    clearTimeout(timer);
    link.unlink();
  }
}

/** Waits for a promise, which must not reject, but not longer than that. */
export async function settledWithin(ms: number, promise: Promise<unknown>): Promise<void> {
  const link = linkSignal(undefined);
  await Promise.race([promise, sleep(ms, link.signal).catch(() => undefined)]);
  link.abort(undefined);
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    onAbort(signal, () => {
      resolve();
    });
  });
}
