import type { Compare, CompareAndSwapCall, CreateCall, SetCall } from "../core/call.js";
import type { Done, Refused } from "../core/keys-store.js";
import { GatewayError, grpcCode } from "./gateway.js";
import { ancestorsOf } from "./layout.js";
import { expiryIn, grant, timeBefore, type Lease } from "./leases.js";
import { directoryNode, fileNode, placeOf, refused } from "./nodes.js";
import {
  absent,
  beforePut,
  hasValue,
  modifiedAt,
  present,
  put,
  putIfAbsent,
  removedBy,
  remove,
  transact,
  type CompareOp,
  type Op,
  type TxnResult,
} from "./operations.js";
import type { Session } from "./session.js";
import {
  comparisonFailed,
  nothingBelow,
  nothingOnTheWay,
  situationReads,
  whyUnreachable,
  type Situation,
} from "./situation.js";

/** A write that takes one transaction: everything but a refresh and a key in order. */
export type PlainWrite = SetCall | PlainCreate | CompareAndSwapCall;
type PlainCreate = Omit<CreateCall, "kind"> & { readonly kind: "create" };

/** Writes a file or makes a directory. Rejects as `Session.post` does. */
export async function write(session: Session, call: PlainWrite, note: string): Promise<Done | Refused> {
  for (let attempt = 1; ; attempt++) {
    const lease = call.ttl === undefined ? undefined : await grant(session, call.ttl);
    const { ops, decode } = situationReads(session, call.key);
    const txn = { compare: comparesOf(session, call), success: putsOf(session, call, lease), failure: ops };
    let result: TxnResult;
    try {
      result = await transact(session, txn, { note });
    } catch (error) {
      // the lease ran out between the two requests: once more with a new one
      if (lease !== undefined && attempt === 1 && error instanceof GatewayError && error.code === grpcCode.notFound)
        continue;
      throw error;
    }
    return result.succeeded ? written(session, call, lease, result) : refusalOf(call, result, decode(result.responses));
  }
}

/** The markers of the directories on the way: with `kept`, a directory exists until it is deleted. */
export function markersOnTheWay({ layout, options, identity }: Session, key: string): readonly Op[] {
  if (options.directories === "implied") return [];
  return ancestorsOf(key)
    .map((each) => layout.marker(each))
    .filter((marker) => identity.rights.mayWrite({ key: marker }) && identity.rights.mayRead({ key: marker }))
    .map(putIfAbsent);
}

function comparesOf(session: Session, call: PlainWrite): readonly CompareOp[] {
  const file = session.layout.file(call.key);
  const common = [...nothingOnTheWay(session, call.key), ...nothingBelow(session, call.key)];
  if (call.kind === "set") return common;
  if (call.kind === "create") return [...common, absent({ key: file })];
  const { prevValue, prevIndex }: Compare = call.kind === "compareAndSwap" ? call : {};
  return [
    ...common,
    present(file),
    ...(prevIndex === undefined ? [] : [modifiedAt(file, prevIndex)]),
    ...(prevValue === undefined ? [] : [hasValue(file, prevValue)]),
  ];
}

/** Whether a directory is made: the other writes with `dir` leave a file, without a value. */
function makesDirectory({ kind, dir }: PlainWrite): boolean {
  return dir && (kind === "set" || kind === "create");
}

function putsOf(session: Session, call: PlainWrite, lease: Lease | undefined): readonly Op[] {
  const { layout } = session;
  const markers = markersOnTheWay(session, call.key);
  if (makesDirectory(call)) {
    return [remove({ key: layout.file(call.key) }, true), put(layout.marker(call.key), ""), ...markers];
  }
  return [put(layout.file(call.key), valueOf(call), { lease: lease?.id, previous: true }), ...markers];
}

function valueOf({ dir, value }: PlainWrite): string {
  return dir ? "" : value;
}

async function written(session: Session, call: PlainWrite, lease: Lease | undefined, result: TxnResult): Promise<Done> {
  const { key, kind } = call;
  const place = placeOf(result.header);
  const isDirectory = makesDirectory(call);
  const before = isDirectory ? removedBy(result.responses[0])[0] : beforePut(result.responses[0]);
  const node = isDirectory
    ? directoryNode(key, { createRevision: place.index })
    : {
        key,
        value: valueOf(call),
        ...(lease !== undefined && expiryIn(lease.ttl)),
        modifiedIndex: place.index,
        createdIndex: before?.createRevision ?? place.index,
      };
  if (before === undefined) return { ...place, action: kind, node };
  return { ...place, action: kind, node, prevNode: fileNode(key, before, await timeBefore(session, before)) };
}

function refusalOf(call: PlainWrite, result: TxnResult, situation: Situation): Refused {
  const { key, kind } = call;
  const place = placeOf(result.header);
  const { obstacle, file, firstBelow } = situation;
  if (obstacle?.is === "file") return refused(place, "notDir", obstacle.key);
  if (kind === "create") return refused(place, "nodeExist", key);
  if (kind !== "set") {
    const unreachable = whyUnreachable(place, key, situation);
    if (unreachable !== undefined) return unreachable;
  }
  if (firstBelow === undefined && file !== undefined && kind === "compareAndSwap") {
    const failed = comparisonFailed(place, file, call);
    if (failed !== undefined) return failed;
  }
  return refused(place, "notFile", key);
}
