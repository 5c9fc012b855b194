/**
 * A copy of an argument for a call that reads it later: what the caller changes in a plain object or in an array meanwhile does
 * not count. Anything else is returned as it is.
 */
export function copyOf<T>(argument: T): T {
  if (Array.isArray(argument)) return [...(argument as readonly unknown[])] as T;
  return isPlain(argument) ? { ...argument } : argument;
}

function isPlain(argument: unknown): argument is object {
  if (typeof argument !== "object" || argument === null) return false;
  const prototype: unknown = Object.getPrototypeOf(argument);
  return prototype === Object.prototype || prototype === null;
}
