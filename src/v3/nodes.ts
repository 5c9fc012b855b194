import { EtcdErrorCode } from "../util/errors.js";
import type { AnswerNode, Place, Refused } from "../core/keys-store.js";
import type { Header, KeyValue } from "./decode.js";
import { expiryIn, type TimesLeft } from "./leases.js";

/** The place of a response that nothing was sent for. */
export const nowhere: Place = { index: 0, clusterId: "" };

/** The place of a response, by its header. */
export function placeOf({ revision, clusterId }: Header): Place {
  return { index: revision, clusterId };
}

/** A refusal as v2 words it. */
export function refused(place: Place, errorCode: keyof typeof EtcdErrorCode, cause?: string): Refused {
  return { ...place, errorCode: EtcdErrorCode[errorCode], cause };
}

/** A file as v2 shows it. */
export function fileNode(
  key: string,
  { value, modRevision, createRevision, lease }: KeyValue,
  times?: TimesLeft,
): AnswerNode {
  const left = times?.get(lease);
  const expiry = left === undefined ? undefined : expiryIn(left);
  return {
    key,
    value,
    expiration: expiry?.expiration,
    ttl: expiry?.ttl,
    modifiedIndex: modRevision,
    createdIndex: createRevision,
  };
}

/** A directory as v2 shows it: its indexes are those of its marker; without one it has none. The root has neither, nor a key. */
export function directoryNode(key: string, marker: Pick<KeyValue, "createRevision"> | undefined): AnswerNode {
  if (key === "/") return { dir: true };
  if (marker === undefined) return { key, dir: true };
  return { key, dir: true, modifiedIndex: marker.createRevision, createdIndex: marker.createRevision };
}

/** How an event shows a deleted node: without its value. */
export function deletedNode(
  { value: _value, ttl: _ttl, expiration: _expiration, nodes: _nodes, ...node }: AnswerNode,
  index: number,
): AnswerNode {
  return { ...node, modifiedIndex: index };
}
