import type { RequestLimits, RequestSpec } from "../http/exchange.js";
import { isChecked } from "./checked-request.js";
import { optional, requireFields, type Checks } from "../util/fields.js";
import {
  badArgument,
  kindOf,
  requireBoolean,
  requireCount,
  requireFunction,
  requireRetryForMs,
  requireText,
  show,
} from "../util/validate.js";

/**
 * Refuses a request that cannot be sent as it is, or would go somewhere else: a path without its slash would change the
 * endpoint's host or port. Values are never quoted.
 *
 * @throws {UsageError}
 */
export function requireRequest(spec: RequestSpec): void {
  if (isChecked(spec)) return;
  requireFields("spec", spec, checks);
  const { method, body, bytes } = spec;
  if (body !== undefined && bytes !== undefined) badArgument("spec has body and bytes: it can have one of them");
  if (method === "GET" && (body ?? bytes) !== undefined) badArgument("spec.body: a GET request has no body");
}

const methods: ReadonlySet<unknown> = new Set<RequestSpec["method"]>(["GET", "PUT", "POST", "DELETE"]);

function requireMethod(what: string, method: unknown): void {
  if (!methods.has(method)) badArgument(`${what} must be one of ${[...methods].join(", ")}, got ${shown(method)}`);
}

/** One slash at the beginning, and only characters that a path may contain as they are. */
const plainPath = /^\/(?!\/)[\w!$%&'()*+,\-./:;=@~]*$/;
/** A segment that URLs resolve: it would lead out of the endpoint's base path. */
const dotSegment = /\/(?:\.|%2e){1,2}(?:\/|$)/i;

function requirePath(what: string, path: unknown): void {
  if (typeof path !== "string") badArgument(`${what} must be a string, got ${kindOf(path)}`);
  if (!path.startsWith("/") || path.startsWith("//")) badArgument(`${what} must begin with one "/"`);
  if (!plainPath.test(path)) badArgument(`${what} must be percent-encoded, and its query belongs in spec.query`);
  if (dotSegment.test(path)) badArgument(`${what} must not contain a segment "." or ".."`);
}

function requireQuery(what: string, query: unknown): void {
  requireText(what, query);
  if (!/^[\w!$%&'()*+,\-./:;=@~?]*$/.test(query)) badArgument(`${what} must be percent-encoded`);
}

function requireHeaders(what: string, headers: unknown): void {
  if (typeof headers !== "object" || headers === null || Array.isArray(headers))
    badArgument(`${what} must be an object, got ${kindOf(headers)}`);
  for (const [name, value] of Object.entries<unknown>(headers as Record<string, unknown>)) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) badArgument(`${what} has a name that HTTP does not allow`);
    if (name !== name.toLowerCase()) badArgument(`${what}: the name "${name}" must be in lower case`);
    if (typeof value !== "string") badArgument(`${what}["${name}"] must be a string, got ${kindOf(value)}`);
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
      badArgument(`${what}["${name}"] contains a character that HTTP does not allow`);
  }
}

function requireBytes(what: string, bytes: unknown): void {
  // of any realm
  if (!ArrayBuffer.isView(bytes)) badArgument(`${what} must be a Uint8Array, got ${kindOf(bytes)}`);
}

function requireDuration(what: string, value: unknown): void {
  if (typeof value !== "number" || !(value > 0)) {
    badArgument(`${what} must be a number of milliseconds above 0, or Infinity, got ${show(value)}`);
  }
}

const limitsChecks: Checks<RequestLimits> = {
  headersMs: requireDuration,
  idleMs: requireDuration,
  bodyMs: optional(requireDuration),
  bodyBytes: optional((what, value) => {
    requireCount(what, value, 1);
  }),
};

function requireCall(what: string, call: unknown): void {
  if (typeof call !== "object" || call === null) badArgument(`${what} must be an object, got ${kindOf(call)}`);
}

const checks: Checks<RequestSpec> = {
  method: requireMethod,
  path: requirePath,
  query: optional(requireQuery),
  headers: optional(requireHeaders),
  body: optional(requireText),
  bytes: optional(requireBytes),
  maskedBody: optional(requireText),
  call: optional(requireCall),
  retryForMs: optional(requireRetryForMs),
  endpoint: optional(requireText),
  anyStatus: requireBoolean,
  readOnly: requireBoolean,
  oneShot: requireBoolean,
  resend: requireBoolean,
  comparesValue: requireBoolean,
  longPoll: requireBoolean,
  shared: requireBoolean,
  limits: optional((what, limits) => {
    requireFields(what, limits as RequestLimits, limitsChecks);
  }),
  onHeaders: requireFunction,
  onPart: requireFunction,
  note: optional(requireText),
};

/** A short word as it is, anything else by its kind. */
function shown(value: unknown): string {
  return typeof value === "string" && /^\w{1,12}$/.test(value) ? `"${value}"` : show(value);
}
