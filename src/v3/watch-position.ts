// The index that the headers of a poll report.
import { noop } from "../util/deferred.js";
import { abortable } from "../util/signals.js";
import { GatewayError, grpcCode } from "./gateway.js";
import type { KeyRange } from "./layout.js";
import { read, transact } from "./operations.js";
import type { Session } from "./session.js";
import type { WatchStream } from "./watch-stream.js";

/** What is known of the member that a stream comes from. */
export interface MemberPosition {
  /** The highest revision that it is known to have; 0 until the watch is set up. */
  revision: number;
  /** Whether it had a lower revision, when the watch was set up, than the client knew of its cluster. */
  beganBehind: boolean;
  /** Settles when the reason is known. */
  explained: Promise<void> | undefined;
}

interface StreamOfMember {
  readonly stream: WatchStream;
  readonly member: MemberPosition;
}

/** Longest wait for a quorum read before a poll, in ms: without a leader there is no answer for 7 s. */
const explainTimeoutMs = 2_000;

/** Takes note of where a stream begins, once it is set up. */
export function positionOf(stream: WatchStream, { view }: Session): MemberPosition {
  const position: MemberPosition = { revision: 0, beganBehind: false, explained: undefined };
  stream.created.then(({ clusterId, revision }) => {
    position.revision = revision;
    position.beganBehind = revision < view.indexOf(clusterId);
  }, noop);
  return position;
}

/**
 * Where a poll "from now on" begins: after every write that was acknowledged before it, so that it reports none of them. A
 * member whose stream begins earlier either lags, or its store has started over: one quorum read for each stream shows which.
 * Without a majority it stays unknown.
 */
export async function latestIndex(
  session: Session,
  { stream, member }: StreamOfMember,
  { key }: KeyRange,
  signal: AbortSignal | undefined,
): Promise<number> {
  if (member.beganBehind) {
    const look = { success: [read({ key }, { keysOnly: true })] };
    const purpose = { readOnly: true, signal: AbortSignal.timeout(explainTimeoutMs) };
    member.explained ??= transact(session, look, purpose).then(noop, noop);
    await abortable(member.explained, signal);
  }
  const { clusterId } = await stream.created;
  return Math.max(member.revision, session.view.indexOf(clusterId));
}

/**
 * The index that the member of a stream is known to have. A stream without events does not show it. If a poll asks for
 * a later one, the member is asked: this is how the watcher finds out that a member lags, or that a store has started over.
 */
export async function indexOfMember(
  session: Session,
  { stream, member }: StreamOfMember,
  { key }: KeyRange,
  from: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  member.revision = Math.max(member.revision, stream.head);
  if (from - 1 > member.revision) {
    const look = { success: [read({ key }, { keysOnly: true, serializable: true })] };
    const { header } = await transact(session, look, { readOnly: true, ...(signal && { signal }) });
    member.revision = Math.max(member.revision, header.revision);
  }
  return member.revision;
}

/** Whether the history of a range from a revision on is gone. */
export async function isCompacted(
  session: Session,
  { key }: KeyRange,
  revision: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const look = read({ key }, { keysOnly: true, revision: Number(revision), serializable: true });
  try {
    await transact(session, { success: [look] }, { readOnly: true, ...(signal && { signal }) });
    return false;
  } catch (error) {
    if (error instanceof GatewayError && error.code === grpcCode.outOfRange) return true;
    // a user who may watch a range may not be allowed to read its first key; the stream will show it, only later
    if (error instanceof GatewayError) return false;
    throw error;
  }
}
