import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import type { KeysAction, KeysResponse, KeysSummary, RaftPosition } from "../types.js";
import { KeyTree } from "./key-tree.js";
import { header, indexIn, indexOf } from "./head.js";
import { isJson, isObject, malformed, requireObject, requireStatus, textField, type JsonObject } from "./response.js";

/** Decodes the response to a keys call. Keys are relative to the namespace; "" for none. */
export function decodeKeys(raw: RawResponse, spec: RequestSpec, namespace = ""): KeysResponse {
  const tree = new KeyTree(raw, spec, namespace);
  const response = responseOf(raw, spec, tree);
  tree.decode(Infinity);
  return response;
}

/** A response that is decoded piece by piece. It may be used when all of it is decoded. */
export interface KeysInPieces {
  readonly response: KeysResponse;
  /**
   * Decodes up to that many more nodes.
   *
   * @returns whether there is more
   */
  readonly decode: (count: number) => boolean;
}

/** The same as {@link decodeKeys} in pieces: a hundred thousand nodes at once would hold up everything else. */
export function decodeKeysInPieces(raw: RawResponse, spec: RequestSpec, namespace: string): KeysInPieces {
  const tree = new KeyTree(raw, spec, namespace);
  return { response: responseOf(raw, spec, tree), decode: (count) => tree.decode(count) };
}

/** The response, in which the nodes below `node` and `prevNode` are left to the tree. */
function responseOf(raw: RawResponse, spec: RequestSpec, tree: KeyTree): KeysResponse {
  const body = keysBody(raw, spec);
  const { node, prevNode } = body;
  if (!isObject(node)) throw malformed(raw, spec, 'the response has no "node" object');
  if (!isObject(prevNode ?? {})) throw malformed(raw, spec, '"prevNode" is not an object');
  const action = actionOf(raw, spec, body);
  const index = headerIndex(raw, spec);
  const clusterId = header(raw, "x-etcd-cluster-id");
  const raft = raftOf(raw);
  const read = tree.node(node);
  // written out: on Node 20 spreading into a literal costs more than reading the JSON
  if (!isObject(prevNode)) {
    return raft === undefined
      ? { action, node: read, index, clusterId }
      : { action, node: read, index, clusterId, raft };
  }
  const before = tree.node(prevNode);
  return raft === undefined
    ? { action, node: read, prevNode: before, index, clusterId }
    : { action, node: read, prevNode: before, index, clusterId, raft };
}

/**
 * The events of one long poll, in order: one JSON object per line. etcd v2 sends exactly one event; a v3 transaction
 * that changes several keys gives several events of one index.
 */
export function decodeEvents(raw: RawResponse, spec: RequestSpec): readonly KeysResponse[] {
  // nearly always: one line, and a line break at its end
  const lineEnd = raw.body.indexOf("\n");
  if (lineEnd === -1 || lineEnd === raw.body.length - 1) return [eventOf(raw, spec)];
  const lines = raw.body.split("\n").filter((line) => line.trim() !== "");
  if (raw.status > 201 || lines.length < 2 || !lines.every(isJson)) return [eventOf(raw, spec)];
  return lines.map((body) => eventOf({ ...raw, body }, spec));
}

function eventOf(raw: RawResponse, spec: RequestSpec): KeysResponse {
  const event = decodeKeys(raw, spec);
  if (event.node.modifiedIndex === 0) throw malformed(raw, spec, "the event has no modifiedIndex");
  return event;
}

/** Decodes the response to a write with `noValueOnSuccess`. Servers before 3.1 ignore that and send the node, which is left out here. */
export function decodeKeysSummary(raw: RawResponse, spec: RequestSpec): KeysSummary {
  const action = actionOf(raw, spec, keysBody(raw, spec));
  const raft = raftOf(raw);
  const summary = { action, index: headerIndex(raw, spec), clusterId: header(raw, "x-etcd-cluster-id") };
  return raft === undefined ? summary : { ...summary, raft };
}

function keysBody(raw: RawResponse, spec: RequestSpec): JsonObject {
  requireStatus(raw, spec, successStatuses);
  return requireObject(raw, spec);
}

const successStatuses = [200, 201] as const;

function actionOf(raw: RawResponse, spec: RequestSpec, body: JsonObject): KeysAction {
  const action = textField(raw, spec, body, "action");
  if (action === "") throw malformed(raw, spec, 'the response has no "action"');
  return action as KeysAction;
}

/** Undefined if a header is missing or not an index: no reason to fail the call. */
function raftOf(raw: RawResponse): RaftPosition | undefined {
  if (raw.headers["x-raft-index"] === undefined) return undefined;
  const index = indexIn(raw, "x-raft-index");
  const term = indexIn(raw, "x-raft-term");
  return index === undefined || term === undefined || index === 0 ? undefined : { index, term };
}

function headerIndex(raw: RawResponse, spec: RequestSpec): number {
  const index = indexOf(raw);
  if (index === undefined) throw malformed(raw, spec, "X-Etcd-Index is not an index");
  return index;
}
