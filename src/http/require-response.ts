import { badArgument, kindOf } from "../util/validate.js";
import type { RawResponse } from "./exchange.js";

/**
 * Requires what a transport must resolve to. A transport of the user's own may resolve to anything, such as the `Response`
 * of fetch.
 *
 * @throws {UsageError}
 */
export function requireResponse(raw: unknown): asserts raw is RawResponse {
  const { status, headers, body } = (raw ?? {}) as Partial<Record<keyof RawResponse, unknown>>;
  if (typeof status === "number" && isPlainObject(headers) && typeof body === "string") return;
  badArgument(
    `options.transport must resolve to { status, headers, body }, with headers as an object and body as text; got ${given(raw)}`,
  );
}

/** Not null, and none of the collections in which HTTP libraries have headers: a field of them is never a header. */
function isPlainObject(headers: unknown): boolean {
  return (
    typeof headers === "object" &&
    headers !== null &&
    typeof (headers as Readonly<Record<string, unknown>>)["entries"] !== "function"
  );
}

function given(raw: unknown): string {
  if (typeof raw !== "object" || raw === null) return kindOf(raw);
  if ("arrayBuffer" in raw) return "the Response of fetch: read its text() first";
  if ("headers" in raw && !isPlainObject(raw.headers)) return `headers that are ${kindOfHeaders(raw.headers)}`;
  return `an object with ${Object.keys(raw).join(", ") || "no field"}`;
}

function kindOfHeaders(headers: unknown): string {
  if (typeof headers !== "object" || headers === null) return kindOf(headers);
  return Array.isArray(headers) ? "an array" : "a Headers or a Map: make them an object by Object.fromEntries(headers)";
}
