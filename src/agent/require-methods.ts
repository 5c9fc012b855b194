import { badArgument, kindOf } from "../util/validate.js";

/** Refuses what is not an object with these methods; it may be of any class. @throws {UsageError} */
export function requireMethods(what: string, value: unknown, names: readonly string[]): void {
  const has = (name: string): boolean =>
    typeof value === "object" && value !== null && typeof Reflect.get(value, name) === "function";
  if (!names.every(has)) badArgument(`${what} must have the methods ${names.join(", ")}, got ${kindOf(value)}`);
}
