import { isObject } from "./is-object.js";

/** Where a value stands, and how to refuse it. */
export interface Place {
  /** The path of the value, such as `subsets[0].ports`; "" for the outermost object. */
  readonly path: string;
  /** Refuses the value: throws the room's error, such as `"subsets[0].ports" is not an array`. */
  refuse(problem: string): never;
  /** The place of a value inside this one. */
  at(step: string | number): Place;
  /** Whether the names of fields count in any case. */
  readonly anyCase: boolean;
}

/** Reads one value. Refuses what does not fit; never quotes it, since it may be a secret. */
export type Read<T> = (value: unknown, place: Place) => T;

export interface ReaderOptions {
  /** Makes the room's error. `problem` names the field, and holds nothing of its value. */
  readonly error: (problem: string) => Error;
  /** What is read, for messages about all of it. @default "the text" */
  readonly what?: string | undefined;
  /** Whether a field counts in any case, as in Go: the exact name first, else the last one that matches. @default false */
  readonly anyCase?: boolean | undefined;
}

/** Reads the fields of a JSON object. null counts as absent. No message quotes a value. */
export class JsonReader {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #place: Place;
  readonly #taken = new Set<string>();

  /** @throws what `options.error` makes: the text is not a JSON object */
  static parse(text: string, options: ReaderOptions): JsonReader {
    const place = placeOf(options, "");
    if (text.trim() === "") place.refuse("is empty");
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      // the parser's own error quotes the text
      place.refuse("is not valid JSON");
    }
    return isObject(value) ? new JsonReader(value, place) : place.refuse("is not a JSON object");
  }

  /** Reads a value that is decoded already. @throws what `options.error` makes: it is not an object */
  static of(value: unknown, options: ReaderOptions): JsonReader {
    return object(value, placeOf(options, ""));
  }

  /** For readers of objects: see {@link object}. */
  constructor(fields: Readonly<Record<string, unknown>>, place: Place) {
    this.#fields = fields;
    this.#place = place;
  }

  /** A field; undefined if it is absent. */
  get<T>(name: string, read: Read<T>): T | undefined {
    const value = this.#take(name);
    return value === undefined ? undefined : read(value, this.#place.at(name));
  }

  /** A field that must be there. */
  require<T>(name: string, read: Read<T>): T {
    const value = this.#take(name);
    return read(value ?? this.#place.at(name).refuse("is missing"), this.#place.at(name));
  }

  /** Each item of an array; undefined if it is absent. */
  list<T>(name: string, read: Read<T>): T[] | undefined {
    return this.get(name, listOf(read));
  }

  /** Each value of an object; undefined if it is absent. */
  record<T>(name: string, read: Read<T>): Record<string, T> | undefined {
    return this.get(name, recordOf(read));
  }

  /** The fields that were not read, in their order: to be kept when the object is written again. */
  rest(): [string, unknown][] {
    return Object.entries(this.#fields).filter(
      ([name]) => !this.#taken.has(this.#place.anyCase ? name.toLowerCase() : name),
    );
  }

  /** Refuses a field for a reason of the room's: `refuse("port", "must be above 1023")`. */
  refuse(name: string, problem: string): never {
    return this.#place.at(name).refuse(problem);
  }

  #take(name: string): unknown {
    const { anyCase } = this.#place;
    this.#taken.add(anyCase ? name.toLowerCase() : name);
    if (Object.hasOwn(this.#fields, name)) return this.#fields[name] ?? undefined;
    if (!anyCase) return undefined;
    const found = Object.keys(this.#fields).findLast((each) => each.toLowerCase() === name.toLowerCase());
    return found === undefined ? undefined : (this.#fields[found] ?? undefined);
  }
}

/** A string. */
export const text: Read<string> = (value, place) =>
  typeof value === "string" ? value : place.refuse("is not a string");

/** A boolean. */
export const flag: Read<boolean> = (value, place) =>
  typeof value === "boolean" ? value : place.refuse("is not true or false");

/** Any number. */
export const number: Read<number> = (value, place) =>
  typeof value === "number" ? value : place.refuse("is not a number");

/** A whole number that a double holds exactly: `JSON.parse` rounds 64-bit numbers beyond it. */
export const wholeNumber: Read<number> = (value, place) =>
  isSafe(value) ? value : place.refuse("is not a whole number that JavaScript can represent exactly");

/** A whole number from 0, such as an index. */
export const count: Read<number> = (value, place) =>
  isSafe(value) && value >= 0
    ? value
    : place.refuse("is not a whole number from 0 that JavaScript can represent exactly");

/** A port, 0 included. */
export const port: Read<number> = (value, place) =>
  isPort(value) ? value : place.refuse("is not a port (a whole number from 0 to 65535)");

/** A time as RFC 3339 writes it; stays text. */
export const rfc3339: Read<string> = (value, place) =>
  typeof value === "string" && time.test(value) && !Number.isNaN(Date.parse(value))
    ? value
    : place.refuse("is not an RFC 3339 time");

/** An object, to be read on. */
export const object: Read<JsonReader> = (value, place) =>
  isObject(value) ? new JsonReader(value, place) : place.refuse("is not an object");

/** One of these strings. */
export function oneOf<T extends string>(...texts: readonly T[]): Read<T> {
  return (value, place) => texts.find((each) => each === value) ?? place.refuse(`is not one of ${texts.join(", ")}`);
}

/** An array. */
export function listOf<T>(read: Read<T>): Read<T[]> {
  return (value, place) =>
    Array.isArray(value)
      ? value.map((item: unknown, index) => read(item, place.at(index)))
      : place.refuse("is not an array");
}

/** An object whose fields all have the same type. */
export function recordOf<T>(read: Read<T>): Read<Record<string, T>> {
  return (value, place) =>
    isObject(value)
      ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, read(each, place.at(name))]))
      : place.refuse("is not an object");
}

/** Whether a value is a port, 0 included. */
export function isPort(value: unknown): value is number {
  return isSafe(value) && value >= 0 && value <= 65_535;
}

function isSafe(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function placeOf(options: ReaderOptions, path: string): Place {
  const { error, what = "the text", anyCase = false } = options;
  return {
    path,
    anyCase,
    at: (step) =>
      placeOf(options, typeof step === "number" ? `${path}[${String(step)}]` : `${path}${path && "."}${step}`),
    refuse: (problem) => {
      throw error(`${path === "" ? what : JSON.stringify(path)} ${problem}`);
    },
  };
}

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;
