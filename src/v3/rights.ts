import { objectsOf, textOf, type Json } from "./decode.js";
import type { KeyRange } from "./layout.js";

interface Interval {
  readonly from: Uint8Array;
  /** Not part of it. Undefined: up to the last key. */
  readonly to: Uint8Array | undefined;
  readonly read: boolean;
  readonly write: boolean;
}

/**
 * What a user may touch. The server refuses a transaction as a whole if one key in it, in either branch, is not covered;
 * so what a call does not need is left out where it is not.
 */
export class Rights {
  /** Of root, and of everybody while authentication is off. */
  static readonly all = new Rights(undefined);

  readonly #intervals: readonly Interval[] | undefined;

  private constructor(intervals: readonly Interval[] | undefined) {
    this.#intervals = intervals?.toSorted((a, b) => Buffer.compare(a.from, b.from));
  }

  /** The rights of roles, each as `/v3/auth/role/get` answers. */
  static ofRoles(roles: readonly Json[]): Rights {
    return new Rights(roles.flatMap((role) => objectsOf(role, "perm")).map(intervalOf));
  }

  /** Whether every key of the range may be read. */
  mayRead(range: KeyRange): boolean {
    return this.#covers(range, "read");
  }

  /** Whether every key of the range may be written. */
  mayWrite(range: KeyRange): boolean {
    return this.#covers(range, "write");
  }

  /** The first of these ranges that may be read; the last one if there is none, which the server then refuses. */
  firstReadable(...ranges: readonly [...KeyRange[], KeyRange]): KeyRange {
    return ranges.find((range) => this.mayRead(range)) ?? ranges.at(-1) ?? ranges[0];
  }

  #covers({ key, rangeEnd }: KeyRange, what: "read" | "write"): boolean {
    if (this.#intervals === undefined) return true;
    let from: Uint8Array = Buffer.from(key);
    // one key is the range up to the key that follows it
    const to = Buffer.from(rangeEnd ?? `${key}\0`);
    for (const interval of this.#intervals) {
      if (!interval[what] || Buffer.compare(interval.from, from) > 0) continue;
      if (interval.to === undefined) return true;
      if (Buffer.compare(interval.to, from) > 0) from = interval.to;
      if (Buffer.compare(from, to) >= 0) return true;
    }
    return false;
  }
}

function intervalOf(permission: Json): Interval {
  const from = Buffer.from(textOf(permission, "key"), "base64");
  const end = Buffer.from(textOf(permission, "range_end"), "base64");
  // READ is 0, which the gateway leaves out
  const type = textOf(permission, "permType") || "READ";
  return {
    from,
    to: end.length === 0 ? Buffer.concat([from, Buffer.of(0)]) : end.equals(Buffer.of(0)) ? undefined : end,
    read: type !== "WRITE",
    write: type !== "READ",
  };
}
