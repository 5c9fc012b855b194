import { badArgument, requireText } from "../util/validate.js";
import { PermissionType } from "./auth.js";
import type { KvLists } from "./wire/auth.js";

/** A list of names, checked. @throws {UsageError} */
export function namesOf(what: string, names: readonly string[]): readonly string[] {
  if (!Array.isArray(names) || names.length === 0) badArgument(`${what} must be an array with at least one entry`);
  return (names as readonly string[]).map((name, i) => {
    requireText(`${what}[${String(i)}]`, name);
    return name;
  });
}

/** The lists of prefixes that a role change is sent with. @throws {UsageError} */
export function kvLists(prefixes: readonly string[], permission: PermissionType): KvLists {
  const list = namesOf("prefixes", prefixes);
  if (!Object.values(PermissionType).includes(permission))
    badArgument(`permission must be one of ${Object.values(PermissionType).join(", ")}`);
  return {
    read: permission === PermissionType.write ? null : list,
    write: permission === PermissionType.read ? null : list,
  };
}
