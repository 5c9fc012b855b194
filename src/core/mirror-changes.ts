import { forEachInSlices } from "../util/slices.js";
import type { KeyNode, KeysAction } from "./types.js";

/** One file of the subtree that was added, changed or removed. */
export interface MirrorChange {
  /** Whether the file is there (new or changed), or gone. */
  readonly type: "set" | "remove";
  /** The file as it is now; a removed one as it was last known. */
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
  /**
   * The store has started over since the last update: it was emptied, restored from a backup, or is another cluster.
   * Indexes, and what is derived from them, such as fencing tokens, start again. Absent: it has not.
   */
  readonly startedOver?: true;
}

/** Anything with a key. */
interface Keyed {
  readonly key: string;
}

/** {@link MirrorChange}, of files of any type. */
interface Change<File extends Keyed> extends Pick<MirrorChange, "type" | "action"> {
  readonly node: File;
  readonly prevNode?: File;
}

/** A file that was added or changed. */
export function setting<File extends Keyed>(
  node: File,
  prevNode: File | undefined,
  action: MirrorChange["action"],
): Change<File> {
  return prevNode === undefined ? { type: "set", node, action } : { type: "set", node, action, prevNode };
}

/** A file that was removed. */
export function removal<File extends Keyed>(node: File, action: MirrorChange["action"]): Change<File> {
  return { type: "remove", node, action };
}

/** The difference between two states, by key: removals first. In slices, since there may be very many files. */
export async function changesBetween(
  before: ReadonlyMap<string, KeyNode>,
  now: ReadonlyMap<string, KeyNode>,
): Promise<readonly MirrorChange[]> {
  const changes: MirrorChange[] = [];
  await forEachInSlices(before.values(), (node) => {
    if (!now.has(node.key)) changes.push(removal(node, "list"));
  });
  await forEachInSlices(now.values(), (node) => {
    const known = before.get(node.key);
    if (differs(known, node)) changes.push(setting(node, known, "list"));
  });
  return changes;
}

/** One or more updates of files of any type. */
export interface Changes<File extends Keyed> extends Omit<MirrorUpdate, "changes"> {
  readonly changes: readonly Change<File>[];
}

/**
 * The updates that were not taken yet, as one: each key at most once, so that a reader that comes late gets the latest
 * state, not a backlog. Each update costs as much as it has changes, however many are there already.
 */
export class UnreadChanges<File extends Keyed> {
  #update: Changes<File> | undefined;
  /** The merged changes of `#update` and later updates; undefined as long as there is only one update. */
  #byKey: Map<string, Change<File>> | undefined;

  /** Adds an update. Its changes have different keys. */
  add(later: Changes<File>): void {
    const earlier = this.#update;
    if (earlier === undefined) {
      this.#update = later;
      return;
    }
    const byKey = (this.#byKey ??= new Map(earlier.changes.map((change) => [change.node.key, change])));
    // a list replaces everything, also with the events after it
    const startedOver = earlier.startedOver ?? later.startedOver;
    const kind = earlier.kind === "list" ? "list" : later.kind;
    this.#update = { ...later, kind, ...(startedOver && { startedOver }) };
    for (const change of later.changes) {
      const { key } = change.node;
      const together = mergedChange(byKey.get(key), change);
      // a key that changed again moves to the end
      byKey.delete(key);
      if (together !== undefined) byKey.set(key, together);
    }
  }

  /** Takes all of it out, as one update. undefined if there is none, or if all its files were added and removed again. */
  take(): Changes<File> | undefined {
    const [update, byKey] = [this.#update, this.#byKey];
    this.#update = undefined;
    this.#byKey = undefined;
    if (update === undefined || byKey === undefined) return update;
    return update.kind === "event" && byKey.size === 0 ? undefined : { ...update, changes: [...byKey.values()] };
  }
}

/** undefined if the file was added and removed again. */
function mergedChange<File extends Keyed>(
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
