import type { AdminCall } from "../core/call.js";
import type { Administered, AnswerNode, Done, KeysWatch, Place, Refused } from "../core/keys-store.js";
import { goJson } from "./go-json.js";
import { etcdMessages, etcdStatuses, type HttpResponse, type Malformed } from "./messages.js";

export type { HttpResponse };

/** The response to a keys request that was executed. */
export function doneResponse(done: Done, quiet = false): HttpResponse {
  return {
    status: doneStatus(done),
    headers: { ...jsonType, ...placeHeaders(done) },
    body: quiet && quietActions.has(done.action) ? `{"action":"${done.action}"}\n` : eventLine(done),
  };
}

/** The status of the response to a call that was executed. */
export function doneStatus({ action, prevNode }: Done): number {
  return action === "create" || (action === "set" && prevNode === undefined) ? 201 : 200;
}

/** The response to a keys request that the store refused. */
export function refusedResponse(refused: Refused): HttpResponse {
  return keysError(refused, refused.clusterId, refused.index);
}

/** The response to a keys request that could not be read. */
export function malformedResponse(malformed: Malformed, clusterId: string): HttpResponse {
  return keysError(malformed, clusterId, 0);
}

/** The response to a watch; `lines` are its events, one line each. */
export function watchResponse(watch: KeysWatch, lines: AsyncIterable<string>): HttpResponse {
  return { status: 200, headers: { ...jsonType, ...placeHeaders(watch) }, body: "", lines };
}

/** An event, or the body of a response, as a line of JSON. */
export function eventLine({ action, node, prevNode }: Pick<Done, "action" | "node" | "prevNode">): string {
  return `${goJson({ action, node: node && inOrder(node), prevNode: prevNode && inOrder(prevNode) })}\n`;
}

/** The response to a call about anything but keys. */
export function adminResponse(call: AdminCall, { status, json, clusterId }: Administered): HttpResponse {
  const headers: Record<string, string> = { ...(call.kind === "health" ? textType : jsonType) };
  if (clusterId !== undefined && !isStatus(call)) headers["X-Etcd-Cluster-Id"] = clusterId;
  if (json === undefined) return { status, headers: status === 204 ? withoutType(headers) : headers, body: "" };
  if (call.kind === "health" && status !== 200) headers["X-Content-Type-Options"] = "nosniff";
  return { status, headers, body: goJson(json) + (endsInNewline(call, status) ? "\n" : "") };
}

/** `{"message": ...}`: how the members and auth APIs refuse a request. */
export function messageResponse(status: number, message: string, clusterId?: string): HttpResponse {
  return {
    status,
    headers: { ...jsonType, ...(clusterId !== undefined && { "X-Etcd-Cluster-Id": clusterId }) },
    body: goJson({ message }),
  };
}

/** Plain text: how Go's HTTP server refuses a request. */
export function textResponse(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  return { status, headers: { ...headers, ...textType, "X-Content-Type-Options": "nosniff" }, body: `${text}\n` };
}

/** The client URLs of all members, as `/v2/machines` has them. */
export function machinesResponse(urls: readonly string[]): HttpResponse {
  return { status: 200, headers: urls.length === 0 ? {} : textType, body: urls.join(", ") };
}

/** A redirect to the cleaned path. Only a GET gets a body. */
export function movedResponse(method: string, location: string): HttpResponse {
  if (method !== "GET" && method !== "HEAD") return { status: 301, headers: { Location: location }, body: "" };
  const body = `<a href="${htmlEscape(location)}">Moved Permanently</a>.\n\n`;
  return {
    status: 301,
    headers: { "Content-Type": "text/html; charset=utf-8", Location: location },
    body: method === "GET" ? body : "",
  };
}

const jsonType = { "Content-Type": "application/json" } as const;
const textType = { "Content-Type": "text/plain; charset=utf-8" } as const;
const quietActions: ReadonlySet<string> = new Set(["set", "create", "update", "compareAndSwap"]);

function keysError({ errorCode, cause }: Malformed | Refused, clusterId: string, index: number): HttpResponse {
  const fields = { errorCode, message: etcdMessages[errorCode], cause: cause === "" ? undefined : cause, index };
  return {
    status: etcdStatuses[errorCode] ?? 400,
    headers: { ...jsonType, "X-Etcd-Cluster-Id": clusterId, "X-Etcd-Index": String(index) },
    body: `${goJson(fields)}\n`,
  };
}

/** The headers that tell the store's index and cluster. */
export function placeHeaders({ index, clusterId, raft }: Place): Record<string, string> {
  return {
    "X-Etcd-Cluster-Id": clusterId,
    "X-Etcd-Index": String(index),
    ...(raft !== undefined && { "X-Raft-Index": String(raft.index), "X-Raft-Term": String(raft.term) }),
  };
}

/** The fields in the order in which Go writes them. */
function inOrder(node: AnswerNode): AnswerNode {
  const { key, value, dir, expiration, ttl, nodes, modifiedIndex, createdIndex } = node;
  return { key, value, dir, expiration, ttl, nodes: nodes?.map(inOrder), modifiedIndex, createdIndex };
}

/** Go's `Encoder` ends a body with a newline, its `Marshal` does not. Bad health is sent as an error text, which has one. */
function endsInNewline(call: AdminCall, status: number): boolean {
  if (call.kind === "health") return status !== 200;
  return !isStatus(call) && status < 300;
}

/** Whether a call is about the server itself, not about members or auth. */
function isStatus({ kind }: AdminCall): boolean {
  return kind === "version" || kind === "health" || kind.endsWith("Stats");
}

function withoutType({ "Content-Type": _type, ...headers }: Record<string, string>): Record<string, string> {
  return headers;
}

function htmlEscape(text: string): string {
  return text.replace(/[&<>"']/g, (char) => htmlEscapes[char] ?? char);
}

const htmlEscapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&#34;",
  "'": "&#39;",
};
