import type { RawResponse, RequestSpec } from "../http/exchange.js";
import { ConsulError } from "./errors.js";

/** Reads an answer's JSON. @throws {ConsulError} `DECODE` */
export function decode<T>(spec: RequestSpec, raw: RawResponse, read: (value: unknown) => T): T {
  try {
    return read(parse(raw.body));
  } catch (error) {
    if (error instanceof Unexpected) throw new ConsulError("DECODE", error.message, spec);
    throw error;
  }
}

/** The answer is not what it should be; the message holds nothing of it. */
class Unexpected extends Error {}

/** An object of an answer. Names are told apart without regard to case; what is absent or null is empty. */
export class Fields {
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(value: unknown) {
    this.#values = new Map(entriesOf(value).map(([name, each]) => [name.toLowerCase(), each]));
  }

  value(name: string): unknown {
    return this.#values.get(name.toLowerCase()) ?? undefined;
  }

  text(name: string): string {
    return text(this.value(name) ?? "", name);
  }

  number(name: string): number {
    const value = this.value(name) ?? 0;
    return typeof value === "number" ? value : unexpected(`${name} is no number`);
  }

  /** A whole number that a double holds exactly. */
  index(name: string): number {
    const value = this.number(name);
    return Number.isSafeInteger(value) ? value : unexpected(`${name} is no whole number that can be told exactly`);
  }

  texts(name: string): string[] {
    return texts(this.value(name), name);
  }

  textMap(name: string): Record<string, string> {
    return Object.fromEntries(entriesOf(this.value(name)).map(([key, value]) => [key, text(value, name)]));
  }
}

/** An array, of which null is an empty one. */
export function list<T>(value: unknown, read: (item: unknown) => T): T[] {
  if (value === null || value === undefined) return [];
  return Array.isArray(value) ? (value as unknown[]).map(read) : unexpected("it is no array");
}

export function texts(value: unknown, what = "an item"): string[] {
  return list(value, (item) => text(item, what));
}

/** Names and values of an object, of which null is an empty one. */
export function entriesOf(value: unknown): [string, unknown][] {
  if (value === null || value === undefined) return [];
  return typeof value === "object" && !Array.isArray(value) ? Object.entries(value) : unexpected("it is no object");
}

export function unexpected(why: string): never {
  throw new Unexpected(`the answer is not as it should be: ${why}`);
}

function text(value: unknown, what: string): string {
  return typeof value === "string" ? value : unexpected(`${what} is no string`);
}

function parse(body: string): unknown {
  if (body.trim() === "") unexpected("its body is empty");
  try {
    return JSON.parse(body) as unknown;
  } catch {
    // the parser's own message quotes the body
    return unexpected("it is no JSON");
  }
}
