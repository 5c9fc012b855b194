import { isDeepStrictEqual } from "node:util";
import { keyOf, type Named } from "./union.js";

/** Whether two states of a source are the same for their users: versions alone make no difference. */
export function sameItems(a: readonly Named[], b: readonly Named[]): boolean {
  return isDeepStrictEqual(byKey(a), byKey(b));
}

function byKey(items: readonly Named[]): ReadonlyMap<string, unknown> {
  return new Map(
    items.map((item) => [keyOf(item), { ...item, metadata: { ...item.metadata, resourceVersion: undefined } }]),
  );
}
