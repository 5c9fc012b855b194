import type { AnswerNode, Done, Place } from "../core/keys-store.js";
import { keyValueOf, objectOf, objectsOf, textOf, type Json, type KeyValue } from "./decode.js";
import { beingDeleted, compareBytes, type Layout } from "./layout.js";
import { deletedNode, directoryNode, fileNode } from "./nodes.js";

/** A change of one v3 key. */
export interface Change {
  readonly isDeletion: boolean;
  /** Of a deletion, only the key and the revision. */
  readonly kv: KeyValue;
  /** Absent if there was none, or if its revision was compacted. */
  readonly previous: KeyValue | undefined;
}

/** The changes in a line of a watch stream. */
export function changesIn(result: Json): readonly Change[] {
  return objectsOf(result, "events").map((event) => ({
    isDeletion: textOf(event, "type") === "DELETE",
    kv: keyValueOf(objectOf(event, "kv")),
    previous: event["prev_kv"] === undefined ? undefined : keyValueOf(objectOf(event, "prev_kv")),
  }));
}

/** Changes by their revision: a line may hold those of several. */
export function byRevision(changes: readonly Change[]): ReadonlyMap<number, readonly Change[]> {
  const groups = new Map<number, Change[]>();
  for (const change of changes) {
    const { modRevision } = change.kv;
    const group = groups.get(modRevision);
    if (group === undefined) groups.set(modRevision, [change]);
    else group.push(change);
  }
  return groups;
}

/** Looks up what the changes alone do not show. Must not reject. */
export interface LookUps {
  /** The seconds that the lease of a key that was put has left. Undefined: it is gone, or unknown. */
  ofPut(lease: string): Promise<number | undefined>;
  /** Whether the lease of a deleted key is known to be gone. */
  isGone(lease: string): Promise<boolean>;
  /** Whether a directory that was made at a revision is known to have had keys below it then, which the changes do not show. */
  wasMadeOnTheWay(directory: string, revision: number): Promise<boolean>;
}

/**
 * The changes of one revision as v2 would report them.
 *
 * - a put of a file is `set`, its deletion `delete` or `expire`
 * - a new marker with nothing below it in the same revision is the `set` of a directory; what was made on the way has no event
 * - the deletion of a marker is the `delete` of the directory, and covers all below it
 *
 * They come in the order of their keys, whatever the order in the transaction was.
 */
export async function eventsOf(
  layout: Layout,
  place: Place,
  changes: readonly Change[],
  lookUps: LookUps,
): Promise<readonly Done[]> {
  const parsed = changes.flatMap((change) => {
    const at = layout.parse(change.kv.key);
    // the root is always there: its marker is only for keys in order
    return at === undefined || at.key === "/" ? [] : [{ ...change, ...at }];
  });
  parsed.sort((a, b) => compareBytes(a.key, b.key));
  const goneDirectories = parsed.filter((each) => each.isMarker && each.isDeletion).map(({ key }) => key);
  const isSwallowed = (key: string, isMarker: boolean): boolean =>
    goneDirectories.some((directory) => (key === directory ? !isMarker : isBelow(key, directory)));
  const madeDirectories = new Set(
    parsed
      .filter(
        ({ isMarker, isDeletion, kv }) => isMarker && !isDeletion && kv.version === 1 && kv.value !== beingDeleted,
      )
      .map(({ key }) => key)
      .filter((directory) => !parsed.some(({ key }) => isBelow(key, directory))),
  );
  const events: Promise<Done | undefined>[] = [];
  for (const { key, isMarker, isDeletion, kv, previous } of parsed) {
    if (isDeletion ? isSwallowed(key, isMarker) : isMarker && !madeDirectories.has(key)) continue;
    // the event of a new directory includes the file that it replaces
    if (isDeletion && !isMarker && madeDirectories.has(key)) continue;
    const replaced = isMarker ? parsed.find((each) => each.key === key && !each.isMarker)?.previous : previous;
    events.push(
      isDeletion
        ? deletionOf(place, key, isMarker, previous, lookUps)
        : putOf(place, key, isMarker, kv, replaced, lookUps),
    );
  }
  return (await Promise.all(events)).filter((event) => event !== undefined);
}

async function putOf(
  place: Place,
  key: string,
  isMarker: boolean,
  kv: KeyValue,
  replaced: KeyValue | undefined,
  lookUps: LookUps,
): Promise<Done | undefined> {
  if (isMarker && (await lookUps.wasMadeOnTheWay(key, kv.modRevision))) return undefined;
  const left = kv.lease === "0" ? undefined : await lookUps.ofPut(kv.lease);
  const times = new Map(left === undefined ? [] : [[kv.lease, left]]);
  return {
    ...place,
    action: "set",
    node: isMarker ? directoryNode(key, kv) : fileNode(key, kv, times),
    ...(replaced !== undefined && { prevNode: fileNode(key, replaced) }),
  };
}

async function deletionOf(
  place: Place,
  key: string,
  isMarker: boolean,
  previous: KeyValue | undefined,
  lookUps: LookUps,
): Promise<Done> {
  const prevNode: AnswerNode | undefined = isMarker
    ? directoryNode(key, previous)
    : previous && fileNode(key, previous);
  const lease = previous?.lease ?? "0";
  return {
    ...place,
    // without proof a deletion is not called an expiry
    action: lease !== "0" && (await lookUps.isGone(lease)) ? "expire" : "delete",
    node: deletedNode({ ...prevNode, key }, place.index),
    ...(prevNode !== undefined && { prevNode }),
  };
}

function isBelow(key: string, directory: string): boolean {
  return key !== directory && key.startsWith(directory === "/" ? "/" : `${directory}/`);
}
