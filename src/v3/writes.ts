import type { CompareAndSwapCall, CreateCall, SetCall } from "../core/call.js";
import type { Done, Place, Refused } from "../core/keys-store.js";
import { decide, type Decided } from "./decide.js";
import { GatewayError, grpcCode } from "./gateway.js";
import { expiryIn, grant, timeBefore, type Lease, type TimesLeft } from "./leases.js";
import { directoryNode, fileNode, placeOf, refused } from "./nodes.js";
import { absent, beforePut, put, removedBy, remove, type CompareOp, type Op } from "./operations.js";
import type { Session } from "./session.js";
import {
  comparisonFailed,
  isAsCompared,
  nothingBelow,
  nothingOnTheWay,
  whyUnreachable,
  type Situation,
} from "./situation.js";

/** A write that takes one transaction: everything but a refresh and a key in order. */
export type PlainWrite = SetCall | PlainCreate | CompareAndSwapCall;
type PlainCreate = Omit<CreateCall, "kind"> & { readonly kind: "create" };

/** Writes a file or makes a directory. Rejects as `Session.post` does. */
export function write(session: Session, call: PlainWrite, note: string | undefined): Promise<Done | Refused> {
  const { ttl } = call;
  return ttl === undefined ? writeWith(session, call, undefined, note) : writeWithTtl(session, call, ttl, note);
}

async function writeWithTtl(
  session: Session,
  call: PlainWrite,
  ttl: number,
  note: string | undefined,
): Promise<Done | Refused> {
  for (let attempt = 1; ; attempt++) {
    const lease = await grant(session, ttl);
    try {
      return await writeWith(session, call, lease, note);
    } catch (error) {
      // the lease ran out between the two requests: once more with a new one
      const hasRunOut = error instanceof GatewayError && error.code === grpcCode.notFound;
      if (!hasRunOut || attempt > 1) throw error;
    }
  }
}

function writeWith(
  session: Session,
  call: PlainWrite,
  lease: Lease | undefined,
  note: string | undefined,
): Promise<Done | Refused> {
  const decision = { key: call.key, compare: comparesOf(session, call), success: putsOf(session, call, lease) };
  return decide(session, decision, note).then((decided) => {
    const { header, situation } = decided;
    return situation === undefined
      ? written(session, call, lease, decided)
      : refusalOf(call, placeOf(header), situation);
  });
}

function comparesOf(session: Session, call: PlainWrite): readonly CompareOp[] {
  const file = session.layout.file(call.key);
  const common = [...nothingOnTheWay(session, call.key), ...nothingBelow(session, call.key)];
  if (call.kind === "set") return common;
  if (call.kind === "create") return [...common, absent({ key: file })];
  return [...common, ...isAsCompared(file, call.kind === "compareAndSwap" ? call : {})];
}

/** Whether a directory is made: the other writes with `dir` leave a file, without a value. */
function makesDirectory({ kind, dir }: PlainWrite): boolean {
  return dir && (kind === "set" || kind === "create");
}

function putsOf(session: Session, call: PlainWrite, lease: Lease | undefined): readonly Op[] {
  const { layout } = session;
  return makesDirectory(call)
    ? [remove({ key: layout.file(call.key) }, true), put(layout.marker(call.key), "")]
    : [put(layout.file(call.key), valueOf(call), { lease: lease?.id, previous: true })];
}

function valueOf({ dir, value }: PlainWrite): string {
  return dir ? "" : value;
}

/** A promise only if the lease of what was there before has to be looked up. */
function written(session: Session, call: PlainWrite, lease: Lease | undefined, decided: Decided): Done | Promise<Done> {
  const { key, kind } = call;
  const isDirectory = makesDirectory(call);
  if (isDirectory) {
    session.hints.marked.set(key, true);
    session.hints.shapes.set(key, "directory");
  }
  const before = isDirectory ? removedBy(decided.responses[0])[0] : beforePut(decided.responses[0]);
  const { index, clusterId } = placeOf(decided.header);
  const expiry = lease === undefined ? undefined : expiryIn(lease.ttl);
  const node = isDirectory
    ? directoryNode(key, { createRevision: index })
    : {
        key,
        value: valueOf(call),
        expiration: expiry?.expiration,
        ttl: expiry?.ttl,
        modifiedIndex: index,
        createdIndex: before?.createRevision ?? index,
      };
  if (before === undefined) return { index, clusterId, action: kind, node };
  const times = timeBefore(session, before);
  const done = (known: TimesLeft): Done => ({
    index,
    clusterId,
    action: kind,
    node,
    prevNode: fileNode(key, before, known),
  });
  return times instanceof Promise ? times.then(done) : done(times);
}

function refusalOf(call: PlainWrite, place: Place, situation: Situation): Refused {
  const { key, kind } = call;
  const { fileOnTheWay, file, firstBelow } = situation;
  if (fileOnTheWay !== undefined && (kind === "create" || kind === "set"))
    return refused(place, "notDir", fileOnTheWay);
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
