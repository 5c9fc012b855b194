import type { Compare } from "../core/call.js";
import type { Place, Refused } from "../core/keys-store.js";
import type { Json, KeyValue } from "./decode.js";
import { ancestorsOf, type KeyRange } from "./layout.js";
import { refused } from "./nodes.js";
import { absent, hasValue, keysIn, modifiedAt, present, read, type CompareOp, type Op } from "./operations.js";
import type { Session } from "./session.js";

/** What is at a key and on the way to it, at one revision. */
export interface Situation {
  /** The first element on the way that is a file, or is missing. Undefined: the parent is a directory. */
  readonly obstacle: { readonly key: string; readonly is: "file" | "missing" } | undefined;
  /** The first file on the way, which is in the way of what is made below it, even if it is a directory, too. */
  readonly fileOnTheWay: string | undefined;
  readonly file: KeyValue | undefined;
  /** The first key of the directory: its marker if it has one. Undefined: there is no directory. */
  readonly firstBelow: KeyValue | undefined;
}

/** Nothing on the way to the key is a file. What the user may not read is left out: it cannot be compared. */
export function nothingOnTheWay(session: Session, key: string): readonly CompareOp[] {
  return filesOnTheWay(session, key).map(absent);
}

/** The reads that find a file on the way to the key. */
export function readsOnTheWay(session: Session, key: string): readonly Op[] {
  return filesOnTheWay(session, key).map((range) => read(range, { keysOnly: true }));
}

function filesOnTheWay({ layout, identity }: Session, key: string): readonly KeyRange[] {
  return ancestorsOf(key)
    .map((each) => ({ key: layout.file(each) }))
    .filter((range) => identity.rights.mayRead(range));
}

/** The file is there, and as a comparison wants it. */
export function isAsCompared(file: string, { prevIndex, prevValue }: Compare): readonly CompareOp[] {
  return [
    present(file),
    ...(prevIndex === undefined ? [] : [modifiedAt(file, prevIndex)]),
    ...(prevValue === undefined ? [] : [hasValue(file, prevValue)]),
  ];
}

/** Nothing is below the key. */
export function nothingBelow({ layout, identity }: Session, key: string): readonly CompareOp[] {
  const below = layout.below(key);
  return identity.rights.mayRead(below) ? [absent(below)] : [];
}

/** The reads that show the situation of a key, and how to decode their responses. */
export function situationReads(
  session: Session,
  key: string,
  serializable = false,
): { readonly ops: readonly Op[]; readonly decode: (responses: readonly Json[]) => Situation } {
  const { layout, identity } = session;
  const ops: Op[] = [];
  const look = (op: Op, isAllowed: boolean): number => (isAllowed ? ops.push(op) - 1 : -1);
  const way = ancestorsOf(key).map((each) => ({
    key: each,
    file: look(
      read({ key: layout.file(each) }, { keysOnly: true, serializable }),
      identity.rights.mayRead({ key: layout.file(each) }),
    ),
    below: look(
      read(layout.below(each), { limit: 1, keysOnly: true, serializable }),
      identity.rights.mayRead(layout.below(each)),
    ),
  }));
  const file = ops.push(read({ key: layout.file(key) }, { serializable })) - 1;
  const below = look(
    read(layout.below(key), { limit: 1, keysOnly: true, serializable }),
    identity.rights.mayRead(layout.below(key)),
  );
  const decode = (responses: readonly Json[]): Situation => {
    const first = (index: number): KeyValue | undefined => (index < 0 ? undefined : keysIn(responses[index])[0]);
    const found = way.map((each) => ({
      ...each,
      isFile: first(each.file) !== undefined,
      isDirectory: each.below < 0 || first(each.below) !== undefined,
    }));
    // what is both, which only other programs can make, is a directory
    const obstacle = found.find(({ isDirectory }) => !isDirectory) ?? found.find(({ isFile }) => isFile);
    return {
      fileOnTheWay: found.find(({ isFile }) => isFile)?.key,
      obstacle: obstacle && { key: obstacle.key, is: obstacle.isFile ? "file" : "missing" },
      file: first(file),
      firstBelow: first(below),
    };
  };
  return { ops, decode };
}

/**
 * The reads that tell whether a file is there and nothing is in its way. They cost the server the same however many keys its
 * directories hold: it counts all keys of a range, even if it may answer only one.
 */
export function fileReads(
  session: Session,
  key: string,
): { readonly ops: readonly Op[]; readonly decode: (responses: readonly Json[]) => KeyValue | undefined } {
  const { layout, identity } = session;
  const wayAndBelow = [
    ...readsOnTheWay(session, key),
    ...(identity.rights.mayRead(layout.below(key)) ? [read(layout.below(key), { limit: 1, keysOnly: true })] : []),
  ];
  return {
    ops: [read({ key: layout.file(key) }), ...wayAndBelow],
    decode: ([own, ...others]) => (others.some((each) => keysIn(each).length > 0) ? undefined : keysIn(own)[0]),
  };
}

/** Why a key cannot be reached: 104 for a file on the way, 100 for what is missing. Undefined if it is there. */
export function whyUnreachable(
  place: Place,
  key: string,
  { obstacle, file, firstBelow }: Situation,
): Refused | undefined {
  if (obstacle?.is === "file") return refused(place, "notDir", obstacle.key);
  if (obstacle !== undefined) return refused(place, "keyNotFound", obstacle.key);
  return file === undefined && firstBelow === undefined ? refused(place, "keyNotFound", key) : undefined;
}

/** The refusal for a comparison that failed, worded as in v2: the value first. */
export function comparisonFailed(
  place: Place,
  { value, modRevision }: KeyValue,
  { prevValue, prevIndex }: { readonly prevValue?: string | undefined; readonly prevIndex?: string | undefined },
): Refused | undefined {
  const causes = [
    ...(prevValue !== undefined && prevValue !== value ? [`[${prevValue} != ${value}]`] : []),
    ...(prevIndex !== undefined && prevIndex !== String(modRevision)
      ? [`[${prevIndex} != ${String(modRevision)}]`]
      : []),
  ];
  return causes.length === 0 ? undefined : refused(place, "compareFailed", causes.join(" "));
}
