import type { RequestSpec } from "../http/exchange.js";

/**
 * Marks a request as one that need not be checked when it is sent next: made by our own code from checked arguments. A copy of
 * it is not marked, and no other code can set the mark.
 */
export function checked(spec: RequestSpec): RequestSpec {
  marked = spec;
  return spec;
}

/** Whether the request has the mark, which is taken off. */
export function isChecked(spec: RequestSpec): boolean {
  if (marked === undefined || spec !== marked) return false;
  marked = undefined;
  return true;
}

/** Only one: whoever marks a request sends it at once. A mark on each request would cost as much as a short check. */
let marked: RequestSpec | undefined;
