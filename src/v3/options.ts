import { optional, requireFields, type Checks } from "../util/fields.js";
import { badArgument, requireBoolean, requireMs, requireText, show } from "../util/validate.js";

/** How v2 calls are mapped to the v3 store. */
export interface V3Options {
  /** Put before every key, for example "/app": lets several programs share one v3 store. @default "" */
  readonly namespace?: string | undefined;
  /**
   * - `"kept"`: as in v2, a directory exists until it is deleted, by a marker key that ends in a slash
   * - `"implied"`: a directory that was made on the way to a key goes with the last key below it; for stores that other
   *   tools share
   *
   * @default "kept"
   */
  readonly directories?: "kept" | "implied" | undefined;
  /** Adds `ttl` and `expiration` to what is read, at the cost of one request per lease. @default true */
  readonly ttls?: boolean | undefined;
  /** How long a watch stream is kept for the next poll, in ms; 0 for one stream per poll. @default 30_000 */
  readonly keepStreamsMs?: number | undefined;
  /**
   * Longest wait for the server to confirm a watch, in ms; `Infinity` for none. This is how a proxy that buffers responses is
   * noticed. For a server that is merely slow it doubles with each failure in a row, up to 16 times. @default 5_000
   */
  readonly watchStartTimeoutMs?: number | undefined;
}

/** The options, with all defaults filled in. */
export type ResolvedV3Options = { readonly [Name in keyof V3Options]-?: Exclude<V3Options[Name], undefined> };

/** Checks the options and fills in the defaults. @throws {UsageError} `ERR_ARGUMENT` */
export function resolveV3Options(options: V3Options | undefined): ResolvedV3Options {
  requireFields("options", options, checks);
  return {
    namespace: options?.namespace ?? "",
    directories: options?.directories ?? "kept",
    ttls: options?.ttls ?? true,
    keepStreamsMs: options?.keepStreamsMs ?? 30_000,
    watchStartTimeoutMs: options?.watchStartTimeoutMs ?? 5_000,
  };
}

const checks: Checks<V3Options> = {
  namespace: optional(requireNamespace),
  directories: optional((what, value) => {
    if (value !== "kept" && value !== "implied") badArgument(`${what} must be "kept" or "implied", got ${show(value)}`);
  }),
  ttls: optional(requireBoolean),
  keepStreamsMs: optional((what, value) => {
    if (value !== 0) requireMs(what, value);
  }),
  watchStartTimeoutMs: optional(requireMs),
};

function requireNamespace(what: string, value: unknown): void {
  requireText(what, value);
  const segments = value.split("/").slice(1);
  const isKey = value.startsWith("/") && segments.every((segment) => !["", ".", ".."].includes(segment));
  if (value !== "" && !isKey) badArgument(`${what} must be "" or a key such as "/app", got ${JSON.stringify(value)}`);
}
