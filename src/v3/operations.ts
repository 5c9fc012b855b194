import { int64, keyValueOf, objectOf, objectsOf, malformed, type Header, type Json, type KeyValue } from "./decode.js";
import { base64, type KeyRange } from "./layout.js";
import type { RequestPurpose, Session } from "./session.js";

/** A compare of a transaction. */
export type CompareOp = Json;
/** A put, a deletion, a read or a transaction in a transaction. */
export type Op = Json;

// Literals are written out, with fields that are undefined, which JSON leaves out: spreads cost more than all else that a call
// does here. A compare is "VERSION EQUAL 0" where it does not say otherwise. Compares are written short: the gateway takes its JSON apart
// by reflection, which for the five compares of a write three levels deep costs more than etcd's own work on them.

/** The key does not exist; of a range, no key in it does: an empty range satisfies this, one with a key does not. */
export function absent({ key, rangeEnd }: KeyRange): CompareOp {
  return { key: base64(key), range_end: endOf(rangeEnd) };
}

/** The key exists. */
export function present(key: string): CompareOp {
  return { key: base64(key), result: "GREATER" };
}

/** The key was last written at this revision. Above 2^63-1 there is none: -1 stands for these. */
export function modifiedAt(key: string, revision: string | number): CompareOp {
  const index = BigInt(revision);
  return { key: base64(key), target: "MOD", mod_revision: index < 2n ** 63n ? String(index) : "-1" };
}

/** The key has this value. */
export function hasValue(key: string, value: string): CompareOp {
  return { key: base64(key), target: "VALUE", value: base64(value) };
}

/** How a key is put. */
export interface PutFields {
  /** The id of the lease that the key gets. Absent: it gets none. */
  readonly lease?: string | undefined;
  /** Keep the value that is there. */
  readonly ignoreValue?: boolean;
  /** Answer with the key as it was. */
  readonly previous?: boolean;
}

/** Writes a key. */
export function put(key: string, value: string, { lease, ignoreValue = false, previous = false }: PutFields = {}): Op {
  return {
    request_put: {
      key: base64(key),
      value: ignoreValue || value === "" ? undefined : base64(value),
      ignore_value: ignoreValue || undefined,
      lease,
      prev_kv: previous || undefined,
    },
  };
}

/** Makes a marker unless it is there: one that is written again would be an event. */
export function putIfAbsent(marker: string): Op {
  return { request_txn: { compare: [absent({ key: marker })], success: [put(marker, "")] } };
}

/** Deletes a key or all keys of a range. `previous`: answers with the keys as they were. */
export function remove({ key, rangeEnd }: KeyRange, previous = false): Op {
  return { request_delete_range: { key: base64(key), range_end: endOf(rangeEnd), prev_kv: previous || undefined } };
}

/** How a range is read. */
export interface ReadFields {
  /** The largest number of keys in the response. Absent: all. */
  readonly limit?: number;
  /** Leaves the values out. @default false */
  readonly keysOnly?: boolean;
  /** The revision that is read. Absent: the present one. */
  readonly revision?: number | undefined;
  /** Answered by the member itself, leader or not; may be stale. @default false */
  readonly serializable?: boolean;
}

/** A read in a transaction. */
export function read(range: KeyRange, fields: ReadFields = {}): Op {
  return { request_range: rangeOf(range, fields) };
}

function rangeOf({ key, rangeEnd }: KeyRange, fields: ReadFields): Json {
  const { limit, keysOnly = false, revision, serializable = false } = fields;
  return {
    key: base64(key),
    range_end: endOf(rangeEnd),
    limit: limit === undefined ? undefined : String(limit),
    revision: revision === undefined ? undefined : String(revision),
    keys_only: keysOnly || undefined,
    serializable: serializable || undefined,
  };
}

/** A transaction. */
export interface Txn {
  /** What must hold for `success` to be executed. Absent: nothing. */
  readonly compare?: readonly CompareOp[];
  readonly success: readonly Op[];
  /** Executed otherwise. Absent: nothing is. */
  readonly failure?: readonly Op[];
}

/** The response to a transaction. */
export interface TxnResult {
  /** Whether all compares held. */
  readonly succeeded: boolean;
  readonly header: Header;
  /** The responses of the branch that was executed, in the order of its operations. */
  readonly responses: readonly Json[];
}

/** Rejects as `Session.post` does. */
export function transact(session: Session, txn: Txn, purpose: RequestPurpose): Promise<TxnResult> {
  // the member answers it by itself only if there is nothing else in it
  const isCurrent = !txn.success.every(isSerializable) || txn.failure?.every(isSerializable) === false;
  const { compare, success, failure } = txn;
  const { readOnly, note, signal } = purpose;
  const body = { compare, success, failure };
  return session.ask("/v3/kv/txn", body, { readOnly, note, signal, isCurrent }, txnResult);
}

function txnResult(json: Json, header: Header): TxnResult {
  return { succeeded: json["succeeded"] === true, header, responses: objectsOf(json, "responses") };
}

/** The response to a read on its own. */
export interface RangeResult {
  readonly header: Header;
  /** As a transaction has it. */
  readonly response: Json;
}

/** Reads a range without a transaction, which takes the server less time. Rejects as `Session.post` does. */
export function readRange(
  session: Session,
  range: KeyRange,
  fields: ReadFields,
  purpose: RequestPurpose,
): Promise<RangeResult> {
  const { note, signal } = purpose;
  const isCurrent = fields.serializable !== true;
  const purposeOfRead = { readOnly: true, note, signal, isCurrent };
  return session.ask("/v3/kv/range", rangeOf(range, fields), purposeOfRead, rangeResult);
}

function rangeResult(json: Json, header: Header): RangeResult {
  return { header, response: { response_range: json } };
}

/** The keys that a read found. */
export function keysIn(response: Json | undefined): readonly KeyValue[] {
  return objectsOf(partOf(response, "response_range"), "kvs").map(keyValueOf);
}

/** Whether a read found more than it was allowed to answer. */
export function hasMore(response: Json | undefined): boolean {
  return partOf(response, "response_range")["more"] === true;
}

/** The key as it was before a put. */
export function beforePut(response: Json | undefined): KeyValue | undefined {
  const { prev_kv: previous } = partOf(response, "response_put");
  return previous === undefined ? undefined : keyValueOf(objectOf({ previous }, "previous"));
}

/** The keys that a deletion removed. */
export function removedBy(response: Json | undefined): readonly KeyValue[] {
  return objectsOf(partOf(response, "response_delete_range"), "prev_kvs").map(keyValueOf);
}

/** A lease's own fields: id and TTL. */
export function ttlOf(json: Json): number {
  return Number(int64(json, "TTL"));
}

function isSerializable(op: Op): boolean {
  return objectOf(op, "request_range")["serializable"] === true;
}

function partOf(response: Json | undefined, name: string): Json {
  if (response === undefined) throw malformed("a response is missing in a transaction");
  return objectOf(response, name);
}

function endOf(rangeEnd: string | undefined): string | undefined {
  return rangeEnd === undefined ? undefined : base64(rangeEnd);
}
