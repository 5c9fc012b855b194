import type { Header, Json } from "./decode.js";
import { ancestorsOf } from "./layout.js";
import { present, putIfAbsent, transact, type CompareOp, type Op } from "./operations.js";
import type { Session } from "./session.js";
import { situationReads, type Situation } from "./situation.js";

/** What a write of one key needs. */
export interface Decision {
  /** The key that is written, as v2 names it. */
  readonly key: string;
  /** What must hold. */
  readonly compare: readonly CompareOp[];
  /** What is written then. The markers of the directories on the way come on top. */
  readonly success: readonly Op[];
}

/** What became of it. */
export interface Decided {
  readonly header: Header;
  /** The responses to `success`, in its order. */
  readonly responses: readonly Json[];
  /** What was found when a compare failed. Undefined: it was carried out. */
  readonly situation: Situation | undefined;
}

/**
 * Carries out a write, and sees to it that the directories on the way have their markers.
 *
 * The whole transaction puts the markers that are missing, and reads why a compare failed. Most of the time all markers are
 * there and all compares hold, so that a lean transaction does the same in two thirds of the time: it compares that the markers
 * are there, and reads nothing. If a compare of it fails it has changed nothing, and the whole one decides. The lean one is left
 * out where it is likely to fail: while the directory is not known to have its markers, and for a key whose last write was
 * refused, as in a loop of swaps.
 *
 * Rejects as `Session.post` does. When both were sent, that is said of the last one: the first is known to have changed nothing.
 */
export function decide(session: Session, decision: Decision, note: string | undefined): Promise<Decided> {
  const { hints } = session;
  const { key, compare, success } = decision;
  const directory = ancestorsOf(key).at(-1);
  const markers = markersOnTheWay(session, key);
  const areMarked = markers.length === 0 || directory === undefined || hints.marked.get(directory) === true;
  const tryLean = areMarked && hints.contested.get(key) !== true && hints.shapes.get(key) !== "directory";
  if (!tryLean) return decideByWhole(session, decision, markers, note);
  const lean = { compare: [...compare, ...markers.map(present)], success };
  return transact(session, lean, { note }).then(({ succeeded, header, responses }) =>
    succeeded ? { header, responses, situation: undefined } : decideByWhole(session, decision, markers, note),
  );
}

/** By the whole transaction alone. */
async function decideByWhole(
  session: Session,
  { key, compare, success }: Decision,
  markers: readonly string[],
  note: string | undefined,
): Promise<Decided> {
  const { hints } = session;
  const directory = ancestorsOf(key).at(-1);
  const { ops, decode } = situationReads(session, key);
  const whole = { compare, success: [...success, ...markers.map(putIfAbsent)], failure: ops };
  const { succeeded, header, responses } = await transact(session, whole, { note });
  if (!succeeded) {
    hints.contested.set(key, true);
    return { header, responses: [], situation: decode(responses) };
  }
  hints.contested.delete(key);
  if (directory !== undefined) hints.marked.set(directory, true);
  return { header, responses, situation: undefined };
}

/** The markers that a write puts where they are missing: with `kept`, a directory exists until it is deleted. */
export function markersOnTheWay({ layout, options, identity }: Session, key: string): readonly string[] {
  if (options.directories === "implied") return [];
  return ancestorsOf(key)
    .map((each) => layout.marker(each))
    .filter((marker) => identity.rights.mayWrite({ key: marker }) && identity.rights.mayRead({ key: marker }));
}
