import type { KeyValue } from "../../v3/decode.js";
import { compareBytes } from "../../v3/layout.js";
import { ttlOf, type Entry, type Source } from "./source.js";
import type { Found, Target } from "./target.js";

/** A path that is in one of the stores, or in both. */
export interface Pair {
  readonly path: string;
  /** Undefined: v2 does not have it. */
  readonly entry: Entry | undefined;
  /** Undefined: v3 does not have it. */
  readonly kv: KeyValue | undefined;
}

/**
 * Goes through both stores at once, at and below a key, in the order of the paths' bytes. Neither is in memory as a whole.
 *
 * @param atLeast the v2 tree is no older than this index
 */
export async function* compare(
  source: Source,
  target: Target,
  root: string,
  atLeast: number,
): AsyncGenerator<Pair, void, undefined> {
  const left = source.walk(root, atLeast);
  const right = target.entries(root);
  let entry = await next<Entry>(left);
  let found = await next<Found>(right);
  while (entry !== undefined || found !== undefined) {
    const order = entry === undefined ? 1 : found === undefined ? -1 : Math.sign(compareBytes(entry.path, found.path));
    const here = order <= 0 ? entry : undefined;
    const there = order >= 0 ? found : undefined;
    yield { path: here?.path ?? there?.path ?? "", entry: here, kv: there?.kv };
    if (here !== undefined) entry = await next<Entry>(left);
    if (there !== undefined) found = await next<Found>(right);
  }
}

async function next<T>(all: AsyncGenerator<T, void, undefined>): Promise<T | undefined> {
  const { value, done } = await all.next();
  return done === true ? undefined : value;
}

/** What v2 and v3 differ in: v3 lacks it, has another value, only one of them has a TTL, v2 lacks it. */
export type Difference = "missing" | "value" | "ttl" | "extra";

/** What counts as a difference. */
export interface CompareRules {
  /** "implied": a directory is there as long as a key below it is. */
  readonly directories: "kept" | "implied";
  /** A TTL of a directory is none. */
  readonly dropDirectoryTtls: boolean;
}

/** How v3 differs from v2 at a path; undefined if it does not. */
export function differenceOf({ path, entry, kv }: Pair, rules: CompareRules): Difference | undefined {
  const isDirectory = path.endsWith("/");
  // v3 has no other way to say that a directory has a TTL
  if (isDirectory && entry !== undefined && ttlOf(entry.node) !== undefined && !rules.dropDirectoryTtls) return "ttl";
  if (isDirectory && rules.directories === "implied") return undefined;
  if (entry === undefined) return "extra";
  if (kv === undefined) return "missing";
  if (isDirectory) return undefined;
  if (kv.value !== entry.node.value) return "value";
  return (ttlOf(entry.node) !== undefined) === (kv.lease !== "0") ? undefined : "ttl";
}
