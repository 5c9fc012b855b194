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
  if (typeof status === "number" && typeof headers === "object" && typeof body === "string") return;
  badArgument(
    `options.transport must resolve to { status, headers, body }, with headers as an object and body as text; got ${given(raw)}`,
  );
}

function given(raw: unknown): string {
  if (typeof raw !== "object" || raw === null) return kindOf(raw);
  if ("arrayBuffer" in raw) return "the Response of fetch: read its text() first";
  return `an object with ${Object.keys(raw).join(", ") || "no field"}`;
}
