import { DiscoveryError } from "./errors.js";

/** An object as Go's encoding/json writes it, field by field, in the order given. A Map becomes an object. */
export function goObject(fields: Iterable<readonly [string, unknown]>): string {
  return `{${[...fields].map(([name, value]) => `${goString(name)}:${goValue(value)}`).join(",")}}`;
}

/** The entries of a Go map: sorted by the bytes of their keys. */
export function sortedByBytes<T>(fields: Readonly<Record<string, T>>): ReadonlyMap<string, T> {
  return new Map(Object.entries(fields).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
}

function goValue(value: unknown): string {
  if (typeof value === "string") return goString(value);
  if (Array.isArray(value)) return `[${value.map(goValue).join(",")}]`;
  if (value instanceof Map) return goObject(value as Map<string, unknown>);
  return typeof value === "object" && value !== null ? goObject(Object.entries(value)) : JSON.stringify(value);
}

/** Go escapes what could end a script element, or a line of JavaScript. */
function goString(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * The fields of a JSON object, read as Go reads them into a struct: a name counts in any case, the exact one before
 * others, and null is absent.
 */
export class GoFields {
  readonly #what: string;
  readonly #fields: ReadonlyMap<string, unknown>;
  readonly #taken = new Set<string>();

  /** @param what what it is, for messages. @throws {DiscoveryError} `DECODE`: no JSON object. The text is not quoted: it may hold a password */
  constructor(what: string, text: string) {
    this.#what = what;
    this.#fields = new Map(Object.entries(parseObject(what, text)));
  }

  /** "" where absent. */
  text(name: string): string {
    const value = this.#take(name);
    return value === undefined ? "" : this.#textOf(name, value);
  }

  /** False where absent. */
  flag(name: string): boolean {
    const value = this.#take(name) ?? false;
    if (typeof value !== "boolean") this.#refuse(name, "true or false");
    return value;
  }

  /** undefined where absent. Numbers, which Go refuses, are taken for their text. */
  texts(name: string): Record<string, string> | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (typeof value !== "object" || value === null || Array.isArray(value)) this.#refuse(name, "an object");
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, each]) => each !== null)
        .map(([key, each]) => [key.toWellFormed(), this.#textOf(name, typeof each === "number" ? String(each) : each)]),
    );
  }

  /** The fields that were not asked for, to be kept when the object is written again. */
  rest(): readonly (readonly [string, unknown])[] {
    return [...this.#fields].filter(([name]) => !this.#taken.has(name.toLowerCase()));
  }

  #take(name: string): unknown {
    this.#taken.add(name);
    const found = this.#fields.has(name)
      ? name
      : [...this.#fields.keys()].findLast((each) => each.toLowerCase() === name);
    return found === undefined ? undefined : (this.#fields.get(found) ?? undefined);
  }

  #textOf(name: string, value: unknown): string {
    if (typeof value !== "string") this.#refuse(name, "text");
    return value.toWellFormed();
  }

  #refuse(name: string, wanted: string): never {
    throw new DiscoveryError("DECODE", `${this.#what}: field "${name}" is not ${wanted}`);
  }
}

function parseObject(what: string, text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text) as unknown;
  } catch {
    // the parser's message quotes the text
    throw new DiscoveryError("DECODE", `${what} is not JSON`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new DiscoveryError("DECODE", `${what} is not a JSON object`);
  return value;
}
