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

  /** Of ranges that all hold what is asked for, the widest that may be read; the last one if there is none. */
  widest(...ranges: readonly [...KeyRange[], KeyRange]): KeyRange {
    const last = ranges[ranges.length - 1];
    return ranges.find((range) => this.mayRead(range)) ?? this.#readable(ranges[0]) ?? last ?? ranges[0];
  }

  /** The first part of a range that may be read. */
  #readable(range: KeyRange | undefined): KeyRange | undefined {
    if (range?.rangeEnd === undefined) return undefined;
    const [from, to] = [Buffer.from(range.key), Buffer.from(range.rangeEnd)];
    const part = this.#intervals?.find(
      (each) =>
        each.read && Buffer.compare(each.from, to) < 0 && (each.to === undefined || Buffer.compare(each.to, from) > 0),
    );
    if (part === undefined) return undefined;
    const start = Buffer.compare(part.from, from) > 0 ? part.from : from;
    const end = part.to === undefined || Buffer.compare(part.to, to) > 0 ? to : part.to;
    return { key: Buffer.from(start).toString(), rangeEnd: Buffer.from(end).toString() };
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
