import type { CreateCall } from "../core/call.js";
import type { AnswerNode, Done, Refused } from "../core/keys-store.js";
import { markersOnTheWay } from "./decide.js";
import { GatewayError, grpcCode } from "./gateway.js";
import { expiryIn, grant } from "./leases.js";
import { directoryNode, placeOf, refused } from "./nodes.js";
import {
  absent,
  keysIn,
  modifiedAt,
  present,
  put,
  putIfAbsent,
  read,
  transact,
  type Op,
  type TxnResult,
} from "./operations.js";
import type { Session } from "./session.js";
import { nothingOnTheWay, readsOnTheWay } from "./situation.js";

/** Calls of this process for one directory queue: otherwise each would make the others start over. */
interface Line {
  /** The call that came last. */
  last: Promise<unknown>;
  /** Lets those that wait begin, each before its turn. */
  readonly waiting: Set<() => void>;
}

const lines = new Map<string, Line>();

/**
 * Makes a key in a directory, with an ascending name: one above the revision at which the directory's marker was last
 * written. Each name moves the marker, so names are unique and ascend in the order of their commits, deletions or not.
 * Rejects as `Session.post` does.
 */
export async function createInOrder(
  session: Session,
  call: CreateCall,
  note: string | undefined,
): Promise<Done | Refused> {
  const name = `${session.gateway.base.url} ${session.layout.marker(call.key)}`;
  const line = lines.get(name) ?? { last: Promise.resolve(), waiting: new Set() };
  const turn = turnIn(line);
  const mine = (async () => {
    await turn;
    session.signal?.throwIfAborted();
    session.restart();
    return create(session, call, note);
  })();
  line.last = mine;
  lines.set(name, line);
  try {
    return await mine;
  } catch (error) {
    // one after the other they would wait for a server that does not answer: each for its whole time
    if (session.signal?.aborted !== true) for (const begin of line.waiting) begin();
    throw error;
  } finally {
    if (line.last === mine) lines.delete(name);
  }
}

/** Resolves when all calls before it are over, or when one of them failed. */
function turnIn({ last, waiting }: Line): Promise<void> {
  return new Promise((resolve) => {
    const begin = (): void => {
      waiting.delete(begin);
      resolve();
    };
    waiting.add(begin);
    last.then(begin, begin);
  });
}

/** Where the next name is counted from. */
interface Position {
  /** At which the marker of the directory was last written. Undefined: it has none. */
  readonly marker: number | undefined;
  /** Of the store. */
  readonly revision: number;
}

async function create(session: Session, call: CreateCall, note: string | undefined): Promise<Done | Refused> {
  const { layout, hints } = session;
  const marker = layout.marker(call.key);
  const look = read({ key: marker }, { keysOnly: true });
  const lookAgain = async (): Promise<Position> =>
    positionIn(await transact(session, { success: [look] }, { readOnly: true, note }));
  const ups = markersOnTheWay(session, call.key);
  let lease = call.ttl === undefined ? undefined : await grant(session, call.ttl);
  const known = hints.ordered.get(call.key);
  // most of the time nobody else has written the marker since, and nothing is in the way: a lean transaction is then enough
  let isLean = known !== undefined;
  let position = known === undefined ? await lookAgain() : { marker: known, revision: known };
  for (;;) {
    const name = String((position.marker ?? position.revision) + 1).padStart(20, "0");
    const key = call.key === "/" ? `/${name}` : `${call.key}/${name}`;
    // the directory itself is on the way
    const onTheWay = nothingOnTheWay(session, key);
    const unmoved = position.marker === undefined ? absent({ key: marker }) : modifiedAt(marker, position.marker);
    const compare = [unmoved, absent({ key: layout.file(key) }), absent(layout.below(key)), ...onTheWay];
    const own: Op = call.dir ? put(layout.marker(key), "") : put(layout.file(key), call.value, { lease: lease?.id });
    const success = [own, put(marker, "")];
    const txn = isLean
      ? { compare: [...compare, ...ups.map(present)], success, failure: [look] }
      : {
          compare,
          success: [...success, ...ups.map(putIfAbsent)],
          failure: [
            look,
            ...readsOnTheWay(session, key),
            read({ key: layout.file(key) }, { keysOnly: true }),
            read(layout.below(key), { limit: 1, keysOnly: true }),
          ],
        };
    let result: TxnResult;
    try {
      result = await transact(session, txn, { note });
    } catch (error) {
      if (lease === undefined || !(error instanceof GatewayError) || error.code !== grpcCode.notFound) throw error;
      lease = await grant(session, call.ttl ?? 0);
      continue;
    }
    const place = placeOf(result.header);
    if (result.succeeded) {
      hints.ordered.set(call.key, place.index);
      const node: AnswerNode = call.dir
        ? directoryNode(key, { createRevision: place.index })
        : {
            key,
            value: call.value,
            ...(lease && expiryIn(lease.ttl)),
            modifiedIndex: place.index,
            createdIndex: place.index,
          };
      return { ...place, action: "create", node };
    }
    position = positionIn(result);
    // it does not show why it failed: the whole one does
    if (isLean) {
      isLean = false;
      continue;
    }
    const obstacle = result.responses.slice(1, -2).flatMap(keysIn)[0];
    if (obstacle !== undefined) return refused(place, "notDir", layout.parse(obstacle.key)?.key);
    const isTaken = result.responses.slice(-2).some((response) => keysIn(response).length > 0);
    // another client made the next name: write the marker alone, which moves it on
    if (isTaken) {
      await transact(session, { compare: [unmoved], success: [put(marker, "")] }, { note });
      position = await lookAgain();
    }
  }
}

function positionIn({ header, responses }: TxnResult): Position {
  return { marker: keysIn(responses[0])[0]?.modRevision, revision: header.revision };
}
