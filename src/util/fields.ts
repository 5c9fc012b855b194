import { nearest } from "./nearest.js";
import { isObject } from "./is-object.js";
import { badArgument, isSignal, kindOf, show } from "./validate.js";

/** Refuses a value by throwing a UsageError that begins with `what`. Gets undefined for a field that is absent. */
export type Check = (what: string, value: unknown) => void;

/**
 * A check for each field of an options type. The compiler refuses a table that leaves a field out, also an optional one:
 * callers of the new option would be refused.
 */
export type Checks<T> = Readonly<Record<keyof T, Check>>;

/**
 * Hints for fields that other libraries have and this one lacks: each hint with the names that get it, in lower case, without
 * underscores and dashes, separated by spaces. For example `{ 'did you mean "endpoints"?': "hosts url" }`
 */
export type OtherNames = Readonly<Record<string, string>>;

const none: OtherNames = {};

/**
 * Checks an options object: that it is one, that `checks` lists each of its fields (a misspelt condition would silently
 * be ignored), and each field by its check. `undefined` is accepted if no field is required.
 *
 * @throws {UsageError} `ERR_ARGUMENT`; names what is missing, or the nearest name for an unknown field
 */
export function requireFields<T extends object>(
  what: string,
  options: T | undefined,
  checks: Checks<T>,
  otherNames = none,
): void {
  const { byName, names, required } = tableOf(checks);
  const given: unknown = options;
  if (given === undefined && required.length === 0) return;
  if (!isObject(given)) {
    const needs = required.length === 0 ? "" : ` with ${required.map((name) => `"${name}"`).join(" and ")}`;
    badArgument(`${what} must be an object${needs}, got ${kindOf(given)}`);
  }
  for (const name in given) {
    const check = byName.get(name);
    if (check === undefined) {
      const unknown = unknownField(what, given, names, otherNames);
      if (unknown !== undefined) badArgument(unknown);
      continue;
    }
    const value = given[name];
    if (value !== undefined) check(`${what}.${name}`, value);
  }
  for (const name of required) {
    if (given[name] === undefined) byName.get(name)?.(`${what}.${name}`, undefined);
  }
}

/** Refuses what is not an object, or has a field that is none of these: for options whose fields are checked one by one. */
export function requireOptions(what: string, options: unknown, names: ReadonlySet<string>): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null) badArgument(`${what} must be an object, got ${kindOf(options)}`);
  const unknown = unknownField(what, options, [...names]);
  if (unknown !== undefined) badArgument(unknown);
}

/** The same check for a field that may be absent. */
export function optional(check: Check): Check {
  return (what, value) => {
    if (value !== undefined) check(what, value);
  };
}

/** For a field that is one of these strings, or absent. */
export function choice(...texts: readonly string[]): Check {
  return (what, value) => {
    if (value === undefined || (typeof value === "string" && texts.includes(value))) return;
    badArgument(`${what} must be ${texts.map((text) => JSON.stringify(text)).join(" or ")}, got ${show(value)}`);
  };
}

/** For a field that is checked elsewhere, or may be anything. */
export const anything: Check = () => undefined;

/**
 * The first field of an object that is none of these, as a message with the nearest name; undefined if there is none. For
 * objects that have an error class of their own.
 */
export function unknownField(
  what: string,
  given: object,
  names: readonly string[],
  otherNames = none,
): string | undefined {
  // some methods take a bare signal, such as those of MembersAPI
  if (names.includes("signal") && isSignal(given)) return `${what} must be an object, as in { signal }, got a signal`;
  for (const name in given) {
    // old libraries add methods to Object.prototype
    if (names.includes(name) || name in Object.prototype) continue;
    return `${what} has no field "${name}"; ${hintFor(name, names, otherNames)}`;
  }
  return undefined;
}

function hintFor(name: string, names: readonly string[], otherNames: OtherNames): string {
  const plain = name.toLowerCase().replaceAll(/[_-]/g, "");
  const [known] = Object.entries(otherNames).find(([, others]) => others.split(" ").includes(plain)) ?? [];
  if (known !== undefined) return known;
  const meant = nearest(name, names);
  return meant === undefined ? `its fields are ${names.join(", ")}` : `did you mean "${meant}"?`;
}

interface Table {
  readonly byName: ReadonlyMap<string, Check>;
  readonly names: readonly string[];
  /** The fields whose check refuses undefined. */
  readonly required: readonly string[];
}

/** Computed once: options are checked with each request. */
const tables = new WeakMap<object, Table>();

function tableOf(checks: Readonly<Record<string, Check>>): Table {
  const known = tables.get(checks);
  if (known !== undefined) return known;
  const entries = Object.entries(checks);
  const required = entries.filter(([name, check]) => refuses(check, name)).map(([name]) => name);
  const table = { byName: new Map(entries), names: Object.keys(checks), required };
  tables.set(checks, table);
  return table;
}

function refuses(check: Check, name: string): boolean {
  try {
    check(name, undefined);
    return false;
  } catch {
    return true;
  }
}
