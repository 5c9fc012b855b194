import { EtcdError, EtcdErrorCode } from "../../util/errors.js";
import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import type { KeyNode, KeysResponse } from "../types.js";

/** A response with keys as they are within a namespace. */
export function inNamespace(response: KeysResponse, namespace: string): KeysResponse {
  if (namespace === "") return response;
  const { node, prevNode, ...rest } = response;
  return {
    ...rest,
    node: nodeInNamespace(node, namespace),
    ...(prevNode !== undefined && { prevNode: nodeInNamespace(prevNode, namespace) }),
  };
}

/**
 * An error of etcd with its keys as they are within a namespace: that of the request, and the one that etcd refused, or one
 * above it, which it names as the cause. Other errors are returned as they are.
 */
function errorInNamespace(error: unknown, namespace: string): unknown {
  if (namespace === "" || !(error instanceof EtcdError)) return error;
  const namesOne = namesKey.has(error.errorCode) && error.serverCause.startsWith("/");
  return new EtcdError({
    status: error.status,
    errorCode: error.errorCode,
    serverMessage: error.serverMessage,
    serverCause: namesOne ? relativeKey(error.serverCause, namespace) : error.serverCause,
    index: error.index,
    outcome: error.outcome,
    retryAfterMs: error.retryAfterMs,
    request: error.request && relativeRequest(error.request, namespace),
    hint: error.hint,
  });
}

/** Decodes a response; what `decode` throws names keys as {@link errorInNamespace} does. */
export function withRelativeErrors<T>(
  decode: (raw: RawResponse, spec: RequestSpec, namespace: string) => T,
  raw: RawResponse,
  spec: RequestSpec,
  namespace: string,
): T {
  try {
    return decode(raw, spec, namespace);
  } catch (error) {
    throw errorInNamespace(error, namespace);
  }
}

/** "get /tenant/a at http://..." as "get /a at http://...". */
function relativeRequest(request: string, namespace: string): string {
  const verb = request.slice(0, request.indexOf(" ") + 1);
  const rest = request.slice(verb.length);
  if (rest.startsWith(`${namespace}/`)) return verb + rest.slice(namespace.length);
  return rest.startsWith(`${namespace} at `) ? `${verb}/${rest.slice(namespace.length)}` : request;
}

/** The refusals whose cause is a key. */
const namesKey: ReadonlySet<number> = new Set([
  EtcdErrorCode.keyNotFound,
  EtcdErrorCode.notFile,
  EtcdErrorCode.notDir,
  EtcdErrorCode.nodeExist,
  EtcdErrorCode.rootReadOnly,
  EtcdErrorCode.dirNotEmpty,
]);

/** Not recursive: a tree can be deeper than the stack. */
function nodeInNamespace(root: KeyNode, namespace: string): KeyNode {
  const left: { readonly children: readonly KeyNode[]; readonly into: KeyNode[] }[] = [];
  const relative = (node: KeyNode): KeyNode => {
    const nodes: KeyNode[] = [];
    if (node.nodes.length > 0) left.push({ children: node.nodes, into: nodes });
    return { ...node, key: relativeKey(node.key, namespace), nodes };
  };
  const result = relative(root);
  for (let next = left.pop(); next !== undefined; next = left.pop())
    for (const child of next.children) next.into.push(relative(child));
  return result;
}

/** "/" is the namespace itself and everything above it: an event may report the deletion of a directory there. */
export function relativeKey(key: string, namespace: string): string {
  return key.startsWith(`${namespace}/`) ? key.slice(namespace.length) : "/";
}
