import type { RawResponse, RequestSpec, Sender } from "../http/exchange.js";
import { optional, requireFields, type Checks } from "../util/fields.js";
import { parseRetryAfter } from "../util/transient.js";
import { badArgument, requireSignal, requireText } from "../util/validate.js";
import { isForeignPage, NotFoundError, RequestError } from "./errors.js";
import type { RequestOptions } from "./types.js";

/** The fields of a query. Those that are undefined or "" are left out. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A request without a JSON body. */
export function specOf(method: RequestSpec["method"], path: string, query: Query = {}): RequestSpec {
  return { method, path, query: queryText(query) };
}

/** A PUT with a JSON body. */
export function jsonSpec(path: string, query: Query, body: object): RequestSpec {
  return { ...specOf("PUT", path, query), headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

/** A PUT without a body. */
export function putSpec(path: string, query: Query = {}): RequestSpec {
  return { ...specOf("PUT", path, query), body: "" };
}

/** Sends a request. @throws {RequestError} for a status from 400 */
export async function request(
  sender: Sender,
  spec: RequestSpec,
  signal: AbortSignal | undefined,
): Promise<RawResponse> {
  const raw = await sender.send(spec, signal);
  if (raw.status >= 400) throw refusal(spec, raw);
  return raw;
}

/** The error for a response with a status from 400. */
export function refusal(spec: RequestSpec, { status, body, headers }: RawResponse): RequestError {
  if (status === 404 && !isForeignPage(body)) return new NotFoundError(spec, body);
  const retryAfterMs = parseRetryAfter(headers["retry-after"], Date.now());
  return new RequestError({ method: spec.method, path: spec.path, statusCode: status, body, retryAfterMs });
}

/** Checks the options of a call. @throws {UsageError} */
export function checkOptions(options: RequestOptions | undefined): RequestOptions {
  requireFields("options", options, requestChecks);
  return options ?? {};
}

/** The checks of the options that every call has. */
export const requestChecks: Checks<RequestOptions> = { dc: optional(requireText), signal: requireSignal };

/**
 * A name or an id as the last part of a path.
 *
 * @throws {UsageError} for one that would name something else: Consul redirects a path with empty segments, `.` or `..`
 *   to the path without them, encoded or not
 */
export function segment(what: string, name: string): string {
  requireText(what, name);
  if (name === "") badArgument(`${what} must not be empty`);
  requireCleanPath(what, name);
  return encodeURIComponent(name);
}

/** Refuses what Consul would redirect to another path; a slash at the end is kept as it is. @throws {UsageError} */
export function requireCleanPath(what: string, path: string): void {
  const parts = path.split("/");
  if (parts.some((part, i) => part === "." || part === ".." || (part === "" && i < parts.length - 1))) {
    badArgument(`${what} must not contain empty segments, "." or "..", got ${JSON.stringify(path)}`);
  }
}

/**
 * Refuses text that Consul does not accept in a path: it returns 400 for characters that Go does not print, so what is
 * registered under such an id could not be removed again.
 *
 * @throws {UsageError}
 */
export function requirePrintable(what: string, text: string): void {
  if (!/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u.test(text))
    badArgument(`${what} contains a character that Consul does not accept, got ${JSON.stringify(text)}`);
}

function queryText(query: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of [value].flat()) if (each !== undefined && each !== "") params.append(name, each);
  }
  params.sort();
  return params.toString();
}
