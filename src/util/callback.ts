import { messageOf } from "./error-like.js";

/**
 * Wraps a user's callback so that it cannot fail its caller. What it throws, or rejects with, is reported as a process
 * warning (`process.on("warning", ...)`) and changes nothing. The result is never waited for.
 *
 * @param name what the user calls it, such as "options.onWarning"
 * @param callback undefined: the wrapper does nothing
 */
export function safeCallback<Args extends readonly unknown[]>(
  name: string,
  callback: ((...args: Args) => unknown) | undefined,
): (...args: Args) => void {
  if (callback === undefined) return () => undefined;
  const report = (error: unknown): void => {
    reportThrown(name, error);
  };
  return (...args) => {
    try {
      const result = callback(...args);
      if (isThenable(result)) result.then(undefined, report);
    } catch (error) {
      report(error);
    }
  };
}

/** Reports what a user's callback threw, as a process warning with the code `ETCD2_CALLBACK`. */
export function reportThrown(name: string, error: unknown): void {
  const stack = typeof error === "object" && error !== null && "stack" in error ? error.stack : undefined;
  process.emitWarning(`${name} threw: ${messageOf(error)}`, {
    type: "Etcd2Warning",
    code: "ETCD2_CALLBACK",
    ...(typeof stack === "string" && { detail: stack }),
  });
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
