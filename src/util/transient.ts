import { hasBrand } from "./brand.js";

/** Temporary responses of a proxy, gateway or rate limiter. 403 and 404 count if the body is not etcd's. */
const transientStatuses: ReadonlySet<unknown> = new Set([403, 404, 408, 421, 425, 429]);

/** Whether a response with this status, that is not etcd's own, may be followed by a better one. */
export function isTransientStatus(status: unknown): boolean {
  return transientStatuses.has(status) || (typeof status === "number" && status >= 500);
}

/**
 * Whether the same call may succeed later by itself. Transient are:
 *
 * - {@link ClusterError} and {@link EndpointError}: no endpoint answered
 * - a response that is not etcd's, with status 403, 404, 408, 421, 425, 429, 5xx, or with a success status and another
 *   body than etcd's (a proxy's HTML page); also as JSON with a "message", but without etcd's error code
 *
 * Everything else is final: etcd's own refusals, bad arguments, closed clients, responses that are too large, and errors
 * of the program, such as a TypeError.
 */
export function isTransient(error: unknown): boolean {
  if (hasBrand(error, "ClusterError") || hasBrand(error, "EndpointError")) return true;
  if (hasBrand(error, "EtcdError"))
    return fieldOf(error, "errorCode") === 0 && isTransientStatus(fieldOf(error, "status"));
  if (!hasBrand(error, "ResponseError") || fieldOf(error, "code") === "ERR_BODY_TOO_LARGE") return false;
  const status = fieldOf(error, "status");
  return isTransientStatus(status) || (typeof status === "number" && status < 400);
}

/** Longest pause that a server can ask for by `Retry-After`, in ms. */
const maxRetryAfterMs = 300_000;

/**
 * How long the server wants us to wait, in ms: `retryAfterMs` of an error, or the shortest among a ClusterError's
 * endpoints. At most 5 minutes. 0 if no error carries it.
 */
export function retryAfterOf(error: unknown): number {
  return Math.min(shortest(error) ?? 0, maxRetryAfterMs);
}

/**
 * Reads a `Retry-After` header: seconds, or a date.
 *
 * @param nowMs `Date.now()`
 * @returns ms, at least 0; undefined for anything else
 */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  const text = header?.trim() ?? "";
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  const atMs = /^[A-Z][a-z]{2,8},? /.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

function shortest(error: unknown): number | undefined {
  const own = fieldOf(error, "retryAfterMs");
  if (typeof own === "number" && own >= 0) return own;
  const inner = fieldOf(error, "errors");
  if (!Array.isArray(inner)) return undefined;
  const all = inner.map(shortest).filter((ms) => ms !== undefined);
  return all.length === 0 ? undefined : Math.min(...all);
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
