import type { AnswerNode } from "../core/keys-store.js";
import { Limiter } from "../util/limiter.js";
import { int64, type KeyValue } from "./decode.js";
import { ttlOf } from "./operations.js";
import type { Session } from "./session.js";

/** Longest TTL that etcd grants, in seconds. */
export const maxTtl = 9_000_000_000;

/** How long a plain read waits for TTLs: the leader is asked for them, and there may be none. */
const ttlPatienceMs = 1_000;
const ttlsAtOnce = 16;

/** A lease that was granted. */
export interface Lease {
  /** A 64-bit number in decimal. */
  readonly id: string;
  /** Seconds that were granted; at least 2. */
  readonly ttl: number;
}

/** A new lease. If it is not used it runs out. Never revoke one: it may hold a key of another program. */
export async function grant(session: Session, ttl: number): Promise<Lease> {
  const sentMs = session.leaseTimes.now();
  const json = await session.post("/v3/lease/grant", { TTL: String(Math.max(1, ttl)) }, { readOnly: true });
  const lease = { id: int64(json, "ID"), ttl: ttlOf(json) };
  session.leaseTimes.renewed(lease.id, lease.ttl, sentMs);
  return lease;
}

/** Renews a lease. Resolves to the time that it was granted, in seconds; undefined if it is gone. */
export async function keepAlive(session: Session, id: string): Promise<number | undefined> {
  const sentMs = session.leaseTimes.now();
  const ttl = ttlOf(await session.post("/v3/lease/keepalive", { ID: id }, { readOnly: true }));
  if (ttl <= 0) return undefined;
  session.leaseTimes.renewed(id, ttl, sentMs);
  return ttl;
}

/** The seconds that a lease has left, rounded up as v2 does; undefined if it is gone. */
export async function timeLeft(session: Session, id: string, signal?: AbortSignal): Promise<number | undefined> {
  const body = { ID: id };
  const json = await session.post("/v3/lease/timetolive", body, { readOnly: true, ...(signal && { signal }) });
  const whole = ttlOf(json);
  if (whole < 0) return undefined;
  // the server rounds down
  return Math.min(whole + 1, Number(int64(json, "grantedTTL")));
}

/** `ttl` and `expiration` of a node whose lease has so many seconds left. */
export function expiryIn(seconds: number): Pick<AnswerNode, "ttl" | "expiration"> {
  // as Go writes it, without zeros at the end
  const expiration = new Date(Date.now() + seconds * 1_000).toISOString().replace(/\.?0+Z$/, "Z");
  return { ttl: seconds, expiration };
}

/** The time left of each lease that holds one of the keys. */
export type TimesLeft = ReadonlyMap<string, number>;

const noTimes: TimesLeft = new Map();

function hasNoLease({ lease }: KeyValue): boolean {
  return lease === "0";
}

/**
 * Looks up the leases of keys, each once. A look-up that fails leaves that lease out: what was read is good without it.
 *
 * @param options `isPatient`: wait as long as the call may; otherwise 1 s for all of them
 */
export async function timesLeft(
  session: Session,
  keys: readonly KeyValue[],
  { isPatient = false }: { readonly isPatient?: boolean } = {},
): Promise<TimesLeft> {
  // nearly always
  if (keys.every(hasNoLease)) return noTimes;
  const leases = session.options.ttls ? [...new Set(keys.map(({ lease }) => lease))].filter((id) => id !== "0") : [];
  const found = new Map<string, number>();
  if (leases.length === 0) return found;
  const signal = isPatient ? new AbortController().signal : AbortSignal.timeout(ttlPatienceMs);
  const limiter = new Limiter(ttlsAtOnce);
  const lookUp = async (id: string): Promise<void> => {
    if (signal.aborted) return;
    const seconds = await timeLeft(session, id, signal).catch(() => undefined);
    if (seconds !== undefined) found.set(id, seconds);
  };
  await Promise.all(leases.map((id) => limiter.run(() => lookUp(id), signal).catch(() => undefined)));
  session.signal?.throwIfAborted();
  return found;
}

/**
 * The time that a key's lease had left when this client wrote the key. For a lease that this client gave its last full time
 * it costs no request; if others have renewed it since, it had more. Call it before the lease is renewed.
 */
export function timeBefore(session: Session, key: KeyValue): TimesLeft | Promise<TimesLeft> {
  if (hasNoLease(key)) return noTimes;
  const known = session.options.ttls ? session.leaseTimes.left(key.lease) : undefined;
  return known === undefined ? timesLeft(session, [key]) : new Map([[key.lease, known]]);
}
