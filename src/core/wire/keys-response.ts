import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import type { KeyNode, KeysAction, KeysResponse, KeysSummary, RaftPosition } from "../types.js";
import {
  header,
  indexIn,
  indexOf,
  isJson,
  isObject,
  malformed,
  requireObject,
  requireStatus,
  textField,
  type JsonObject,
} from "./response.js";

/** Decodes the response to a keys call. */
export function decodeKeys(raw: RawResponse, spec: RequestSpec): KeysResponse {
  const body = keysBody(raw, spec);
  const { node, prevNode } = body;
  if (!isObject(node)) throw malformed(raw, spec, 'the response has no "node" object');
  if (!isObject(prevNode ?? {})) throw malformed(raw, spec, '"prevNode" is not an object');
  const { action, index, clusterId, raft } = summaryOf(raw, spec, body);
  const read = treeOf(raw, spec, node);
  // written out: on Node 20 spreading into a literal costs more than reading the JSON
  const response = isObject(prevNode)
    ? { action, node: read, prevNode: treeOf(raw, spec, prevNode), index, clusterId }
    : { action, node: read, index, clusterId };
  return raft === undefined ? response : Object.assign(response, { raft });
}

/**
 * The events of one long poll, in order: one JSON object per line. etcd v2 sends exactly one event; a v3 transaction
 * that changes several keys gives several events of one index.
 */
export function decodeEvents(raw: RawResponse, spec: RequestSpec): readonly KeysResponse[] {
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
  return summaryOf(raw, spec, keysBody(raw, spec));
}

function keysBody(raw: RawResponse, spec: RequestSpec): JsonObject {
  requireStatus(raw, spec, successStatuses);
  return requireObject(raw, spec);
}

const successStatuses = [200, 201] as const;

function summaryOf(raw: RawResponse, spec: RequestSpec, body: JsonObject): KeysSummary {
  const action = textField(raw, spec, body, "action");
  if (action === "") throw malformed(raw, spec, 'the response has no "action"');
  const summary = {
    action: action as KeysAction,
    index: headerIndex(raw, spec),
    clusterId: header(raw, "x-etcd-cluster-id"),
  };
  const raft = raftOf(raw);
  return raft === undefined ? summary : { ...summary, raft };
}

/** Absent if a header is missing or not an index: it is nothing to fail for. */
function raftOf(raw: RawResponse): RaftPosition | undefined {
  if (raw.headers["x-raft-index"] === undefined) return undefined;
  const [index, term] = [indexIn(raw, "x-raft-index"), indexIn(raw, "x-raft-term")];
  return index === undefined || term === undefined || index === 0 ? undefined : { index, term };
}

/** Children that are to be decoded, and where they go. */
interface Undecoded {
  readonly children: readonly unknown[];
  readonly into: KeyNode[];
}

/** Decodes a node with everything below it. Not recursive: one key of 4 kB can be 1,600 levels deep. */
function treeOf(raw: RawResponse, spec: RequestSpec, body: JsonObject): KeyNode {
  const undecoded: Undecoded[] = [];
  const root = nodeOf(raw, spec, body, undecoded);
  for (let next = undecoded.pop(); next !== undefined; next = undecoded.pop()) {
    for (const child of next.children) {
      if (!isObject(child)) throw malformed(raw, spec, "a node is not an object");
      next.into.push(nodeOf(raw, spec, child, undecoded));
    }
  }
  return root;
}

/** Decodes one node. Its children are put down in `undecoded`. */
function nodeOf(raw: RawResponse, spec: RequestSpec, body: JsonObject, undecoded: Undecoded[]): KeyNode {
  const { dir, nodes, expiration, ttl } = body;
  if (typeof (dir ?? false) !== "boolean") throw malformed(raw, spec, '"dir" is not true or false');
  if (!Array.isArray(nodes ?? [])) throw malformed(raw, spec, '"nodes" is not an array');
  const children: KeyNode[] = [];
  if (Array.isArray(nodes) && nodes.length > 0) undecoded.push({ children: nodes, into: children });
  const node = {
    // only the root has none
    key: textField(raw, spec, body, "key") || "/",
    value: textField(raw, spec, body, "value"),
    dir: dir === true,
    nodes: children,
    createdIndex: integer(raw, spec, "createdIndex", body["createdIndex"] ?? 0, 0),
    modifiedIndex: integer(raw, spec, "modifiedIndex", body["modifiedIndex"] ?? 0, 0),
  };
  if ((expiration ?? ttl ?? undefined) === undefined) return node;
  return {
    ...node,
    ...((expiration ?? undefined) !== undefined && expirationOf(raw, spec, expiration)),
    ...((ttl ?? undefined) !== undefined && { ttl: integer(raw, spec, "ttl", ttl, -Number.MAX_SAFE_INTEGER) }),
  };
}

function expirationOf(
  raw: RawResponse,
  spec: RequestSpec,
  text: unknown,
): Pick<Required<KeyNode>, "expiration" | "expirationText"> {
  if (typeof text !== "string" || !rfc3339.test(text))
    throw malformed(raw, spec, '"expiration" is not an RFC 3339 time');
  const expiration = new Date(text);
  if (Number.isNaN(expiration.getTime())) throw malformed(raw, spec, '"expiration" is not an RFC 3339 time');
  return { expiration, expirationText: text };
}

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

/** etcd's numbers have 64 bits: one that a double cannot hold was rounded by JSON.parse, and is refused. */
function integer(raw: RawResponse, spec: RequestSpec, name: string, value: unknown, min: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min) {
    throw malformed(raw, spec, `"${name}" is not a whole number that JavaScript can hold exactly`);
  }
  return value;
}

function headerIndex(raw: RawResponse, spec: RequestSpec): number {
  const index = indexOf(raw);
  if (index === undefined) throw malformed(raw, spec, "X-Etcd-Index is not an index");
  return index;
}
