import { isKeyNotFound, type KeyNode, type KeysAPI } from "../core/index.js";
import type { LeaderEntry } from "./lock.js";

/** The key of a lock as etcd writes it: with one slash before each segment. */
export function keyPath(key: string): string {
  return key
    .split("/")
    .filter(Boolean)
    .map((segment) => `/${segment}`)
    .join("");
}

/** The node at a key, by quorum; undefined if there is none. */
export async function readNode(
  keys: KeysAPI,
  key: string,
  signal: AbortSignal | undefined,
): Promise<KeyNode | undefined> {
  try {
    return (await keys.get(key, { quorum: true, signal })).node;
  } catch (error) {
    if (isKeyNotFound(error)) return undefined;
    throw error;
  }
}

/** Reads who holds a lock. A key that another program wrote counts as held; its whole value is the contact info. */
export function entryOf({ key, value, createdIndex, modifiedIndex }: KeyNode): LeaderEntry {
  const entry = { key, value, held: true, fencingToken: String(createdIndex), createdIndex, modifiedIndex };
  const { session, contact } = fieldsOf(value);
  if (typeof session !== "string" || typeof contact !== "string") return { ...entry, contactInfo: value };
  return { ...entry, contactInfo: contact, sessionId: session };
}

function fieldsOf(value: string): { readonly session?: unknown; readonly contact?: unknown } {
  try {
    const json = JSON.parse(value) as unknown;
    return typeof json === "object" && json !== null ? json : {};
  } catch {
    return {};
  }
}
