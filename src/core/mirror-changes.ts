import type { KeyNode, KeysAction } from "./types.js";

/** One file of the subtree that came, changed or went. */
export interface MirrorChange {
  /** Whether the file is there (new or changed), or gone. */
  readonly type: "set" | "remove";
  /** The file as it is now; of one that went, as it was known last. */
  readonly node: KeyNode;
  /** The file as it was known before; absent for one that is new. */
  readonly prevNode?: KeyNode;
  /** What etcd did; "list" where it comes from reading, not from an event. */
  readonly action: KeysAction | "list";
}

/** What has changed since the last update. */
export interface MirrorUpdate {
  /** `list`: the whole subtree was read, the first time or again; `event`: events were received, nearly always one. */
  readonly kind: "list" | "event";
  /** What differs from before; for the first list, everything. May be empty for lists only. */
  readonly changes: readonly MirrorChange[];
  /** etcd's index up to which the mirror is complete. */
  readonly index: number;
}

/** {@link MirrorChange}, of files of any type. */
interface Change<File extends { readonly key: string }> extends Pick<MirrorChange, "type" | "action"> {
  readonly node: File;
  readonly prevNode?: File;
}

/** A file that came or changed. */
export function setting<File extends { readonly key: string }>(
  node: File,
  prevNode: File | undefined,
  action: MirrorChange["action"],
): Change<File> {
  return { type: "set", node, action, ...(prevNode !== undefined && { prevNode }) };
}

/** A file that went. */
export function removal<File extends { readonly key: string }>(
  node: File,
  action: MirrorChange["action"],
): Change<File> {
  return { type: "remove", node, action };
}

/** The difference between two states, by key: removals first. */
export function changesBetween(
  before: ReadonlyMap<string, KeyNode>,
  now: ReadonlyMap<string, KeyNode>,
): readonly MirrorChange[] {
  const gone = [...before.values()].filter(({ key }) => !now.has(key));
  const come = [...now.values()].filter((node) => differs(before.get(node.key), node));
  return [
    ...gone.map((node) => removal(node, "list")),
    ...come.map((node) => setting(node, before.get(node.key), "list")),
  ];
}

/** Two updates as one, each key at most once: a reader that comes late gets the latest state, not a backlog. */
export function merged(earlier: MirrorUpdate | undefined, later: MirrorUpdate): MirrorUpdate {
  if (earlier === undefined) return later;
  const { index } = later;
  return { kind: mergedKind(earlier, later), changes: mergedChanges(earlier.changes, later.changes), index };
}

/** A list replaces everything, also with the events after it. */
export function mergedKind(
  earlier: Pick<MirrorUpdate, "kind">,
  later: Pick<MirrorUpdate, "kind">,
): MirrorUpdate["kind"] {
  return earlier.kind === "list" ? "list" : later.kind;
}

/** The changes of two updates, each key at most once. */
export function mergedChanges<File extends { readonly key: string }>(
  earlier: readonly Change<File>[],
  later: readonly Change<File>[],
): readonly Change<File>[] {
  const byKey = new Map(earlier.map((change) => [change.node.key, change]));
  for (const change of later) {
    const { key } = change.node;
    const together = mergedChange(byKey.get(key), change);
    // a key that changed again moves to the end
    byKey.delete(key);
    if (together !== undefined) byKey.set(key, together);
  }
  return [...byKey.values()];
}

/** undefined if the file came and went again. */
function mergedChange<File extends { readonly key: string }>(
  earlier: Change<File> | undefined,
  later: Change<File>,
): Change<File> | undefined {
  if (earlier === undefined) return later;
  // as the reader knows it: from before both
  const known = earlier.type === "remove" ? earlier.node : earlier.prevNode;
  if (later.type === "set") return setting(later.node, known, later.action);
  return known && removal(known, later.action);
}

/** A refresh changes only `modifiedIndex`, and is not an event: it makes no difference here either. */
function differs(before: KeyNode | undefined, now: KeyNode): boolean {
  return before?.value !== now.value || before.createdIndex !== now.createdIndex;
}
