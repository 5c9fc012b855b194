import type { CompareAndSwapCall, SetCall } from "../core/call.js";
import type { Done, Refused } from "../core/keys-store.js";
import { expiryIn, grant, keepAlive, timeBefore } from "./leases.js";
import { fileNode, nowhere, placeOf, refused } from "./nodes.js";
import { modifiedAt, put, transact } from "./operations.js";
import type { Session } from "./session.js";
import { comparisonFailed, fileReads, situationReads, whyUnreachable } from "./situation.js";

/** How often it starts again because another client wrote the key. */
const maxAttempts = 10;

/**
 * Gives a key a new TTL and keeps its value. With the TTL that it has, its lease is kept alive: no event, no new index.
 * Otherwise it gets a new lease, which watchers see. Rejects as `Session.post` does.
 */
export async function refresh(
  session: Session,
  call: SetCall | CompareAndSwapCall,
  note: string | undefined,
): Promise<Done | Refused> {
  const { key, kind, ttl = 0 } = call;
  const file = session.layout.file(key);
  const { ops, decode } = fileReads(session, key);
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const seen = await transact(session, { success: ops }, { readOnly: true, note });
    const place = placeOf(seen.header);
    const before = decode(seen.responses);
    if (before === undefined) {
      const refusal = await whyNot(session, key, note);
      if (refusal !== undefined) return refusal;
      continue;
    }
    const failed = kind === "compareAndSwap" ? comparisonFailed(place, before, call) : undefined;
    if (failed !== undefined) return failed;

    // before the lease is renewed, which changes it
    const prevNode = fileNode(key, before, await timeBefore(session, before));
    const { ttl: _ttl, expiration: _expiration, ...permanent } = prevNode;
    const granted = before.lease === "0" ? undefined : await keepAlive(session, before.lease);
    // a lease belongs to one write: if the key was written since, this kept a lease alive that holds it no more
    const isSame = (time: number): boolean => granted !== undefined && granted === time;
    const kept = { ...place, action: kind, node: { ...permanent, ...expiryIn(granted ?? 0) }, prevNode };
    if (isSame(ttl)) return kept;
    const lease = await grant(session, ttl);
    // the server has a shortest time, which depends on its election timeout
    if (isSame(lease.ttl)) return kept;
    const txn = {
      compare: [modifiedAt(file, before.modRevision)],
      success: [put(file, "", { lease: lease.id, ignoreValue: true })],
    };
    const result = await transact(session, txn, { note });
    if (result.succeeded) {
      const now = placeOf(result.header);
      const node = { ...permanent, ...expiryIn(lease.ttl), modifiedIndex: now.index };
      return { ...now, action: kind, node, prevNode };
    }
  }
  return refused(nowhere, "raftInternal", `others wrote ${key} during each attempt`);
}

/** Why there is no file to refresh. Undefined: there is one now. */
async function whyNot(session: Session, key: string, note: string | undefined): Promise<Refused | undefined> {
  const { ops, decode } = situationReads(session, key);
  const seen = await transact(session, { success: ops }, { readOnly: true, note });
  const place = placeOf(seen.header);
  const situation = decode(seen.responses);
  const unreachable = whyUnreachable(place, key, situation);
  if (unreachable !== undefined) return unreachable;
  return situation.file === undefined || situation.firstBelow !== undefined
    ? refused(place, "notFile", key)
    : undefined;
}
