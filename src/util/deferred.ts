/** A promise that is settled from outside. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T | PromiseLike<T>) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * What `Promise.withResolvers` is on Node 22 and later. If `promise` is not awaited, a rejection counts as unhandled;
 * append `promise.catch(noop)` where that is allowed.
 */
export function deferred<T>(): Deferred<T> {
  let resolve: Deferred<T>["resolve"] = noop;
  let reject: Deferred<T>["reject"] = noop;
  const promise = new Promise<T>((...settle) => ([resolve, reject] = settle));
  return { promise, resolve, reject };
}

/** Does nothing. */
export function noop(): void {
  // on purpose
}
