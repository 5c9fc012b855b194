import { isCompareFailed, isKeyNotFound, isNodeExist, SdkError, type KeyNode } from "../core/index.js";

/** What another process wrote, and since when it has not been renewed, by our clock. */
export interface Foreign {
  readonly node: KeyNode;
  readonly sinceMs: number;
}

/** By how much the expiration must move to prove a refresh, in ms: over v3 it is in whole seconds. */
const refreshedMs = 1_500;

/** Whether a node was written or refreshed since it was first seen. */
export function isRenewed(first: KeyNode, now: KeyNode): boolean {
  if (now.modifiedIndex !== first.modifiedIndex) return true;
  const [from, to] = [first.expiration?.getTime(), now.expiration?.getTime()];
  return from !== undefined && to !== undefined && to - from > refreshedMs;
}

/** Whether a write failed because another one came first. */
export function isRace(error: unknown): boolean {
  return isCompareFailed(error) || isNodeExist(error) || isKeyNotFound(error);
}

/** What is known of a failed write; undefined for errors that do not say. */
export function outcomeOf(error: unknown): unknown {
  return error instanceof SdkError && "outcome" in error ? error.outcome : undefined;
}

/** An aborted request may be applied, too. */
export function mayBeApplied(error: unknown): boolean {
  return outcomeOf(error) !== "notApplied";
}

/** The values without the first one that equals `value`. */
export function without(values: readonly string[], value: string): readonly string[] {
  const at = values.indexOf(value);
  return at === -1 ? values : values.toSpliced(at, 1);
}
