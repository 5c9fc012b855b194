import type { Compare, CompareAndDeleteCall, DeleteCall } from "../core/call.js";
import type { AnswerNode, Done, Place, Refused } from "../core/keys-store.js";
import { integer, objectOf, type KeyValue } from "./decode.js";
import { decide, markersOnTheWay } from "./decide.js";
import { timeBefore } from "./leases.js";
import { deletedNode, directoryNode, fileNode, nowhere, placeOf, refused } from "./nodes.js";
import { absent, keysIn, present, put, putIfAbsent, read, remove, removedBy, transact } from "./operations.js";
import type { Session } from "./session.js";
import { comparisonFailed, isAsCompared, nothingBelow, whyUnreachable } from "./situation.js";
import { beingDeleted } from "./layout.js";

type Deletion = DeleteCall | CompareAndDeleteCall;

/** How often a deletion starts again because another client changed the directory. */
const maxAttempts = 10;

/** Deletes a file or a directory. Rejects as `Session.post` does. */
export async function deleteKey(session: Session, call: Deletion, note: string | undefined): Promise<Done | Refused> {
  for (let attempt = 1; ; attempt++) {
    const done = await tryDelete(session, call, note);
    if (done !== undefined) return done;
    if (attempt === maxAttempts)
      return refused(nowhere, "raftInternal", `others changed ${call.key} during each attempt`);
  }
}

/** Undefined if it changed between two requests: start over. */
async function tryDelete(
  session: Session,
  call: Deletion,
  note: string | undefined,
): Promise<Done | Refused | undefined> {
  const { layout } = session;
  const file = layout.file(call.key);
  const compares: Compare = call.kind === "delete" ? {} : call;
  const decision = {
    key: call.key,
    compare: [...nothingBelow(session, call.key), ...isAsCompared(file, compares)],
    success: [remove({ key: file }, true)],
  };
  const { header, responses, situation } = await decide(session, decision, note);
  const place = placeOf(header);
  if (situation === undefined) {
    const [before] = removedBy(responses[0]);
    return before && deleted(call, place, fileNode(call.key, before, await timeBefore(session, before)));
  }
  const unreachable = whyUnreachable(place, call.key, situation);
  if (unreachable !== undefined) return unreachable;
  const { firstBelow } = situation;
  if (firstBelow === undefined) {
    const failed = situation.file && comparisonFailed(place, situation.file, compares);
    return failed ?? refused(place, "keyNotFound", call.key);
  }
  if (call.kind !== "delete" || !(call.dir || call.recursive)) return refused(place, "notFile", call.key);
  return call.recursive ? deleteTree(session, call, firstBelow, note) : deleteEmpty(session, call, note);
}

/** Deletes a directory that holds nothing but its marker. */
async function deleteEmpty(
  session: Session,
  call: DeleteCall,
  note: string | undefined,
): Promise<Done | Refused | undefined> {
  const { layout } = session;
  const marker = layout.marker(call.key);
  const result = await transact(
    session,
    {
      compare: [present(marker), absent(layout.inside(call.key))],
      success: [remove({ key: marker }, true), ...markersOnTheWay(session, call.key).map(putIfAbsent)],
      failure: [read(layout.below(call.key), { limit: 2, keysOnly: true })],
    },
    { note },
  );
  if (result.succeeded) {
    const [before] = removedBy(result.responses[0]);
    return before && deleted(call, placeOf(result.header), directoryNode(call.key, before));
  }
  const isFull = keysIn(result.responses[0]).some(({ key }) => key !== marker);
  return isFull ? refused(placeOf(result.header), "dirNotEmpty", call.key) : undefined;
}

/** Deletes a directory and all below it. Watchers see the deletion of its marker, so it gets one first if it has none. */
async function deleteTree(
  session: Session,
  call: DeleteCall,
  firstBelow: KeyValue,
  note: string | undefined,
): Promise<Done | Refused | undefined> {
  const { layout } = session;
  const marker = layout.marker(call.key);
  const hadMarker = firstBelow.key === marker;
  if (!hadMarker) {
    const txn = { compare: [absent({ key: marker }), present(firstBelow.key)], success: [put(marker, beingDeleted)] };
    if (!(await transact(session, txn, { note })).succeeded) return undefined;
  }
  const result = await transact(
    session,
    {
      compare: [present(marker)],
      success: [
        read({ key: marker }, { keysOnly: true }),
        remove(layout.below(call.key)),
        remove({ key: layout.file(call.key) }),
        ...markersOnTheWay(session, call.key).map(putIfAbsent),
      ],
    },
    { note },
  );
  if (!result.succeeded) return undefined;
  const removed = integer(objectOf(result.responses[1] ?? {}, "response_delete_range"), "deleted");
  const [before] = keysIn(result.responses[0]);
  if (removed === 0) return undefined;
  return deleted(call, placeOf(result.header), directoryNode(call.key, hadMarker ? before : undefined));
}

function deleted({ key, kind }: Deletion, place: Place, prevNode: AnswerNode): Done {
  return { ...place, action: kind, node: deletedNode({ ...prevNode, key }, place.index), prevNode };
}
