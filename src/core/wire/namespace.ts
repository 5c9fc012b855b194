import type { KeyNode, KeysResponse } from "../types.js";
import { segmentsOf } from "./paths.js";

/** The keys below which a prefix lies: "/app" for "/v2/keys/app". "" if it is no namespace. */
export function namespaceOf(prefix: string): string {
  const [v2, keys, ...below] = segmentsOf(prefix);
  return v2 === "v2" && keys === "keys" ? below.map((segment) => `/${segment}`).join("") : "";
}

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

function nodeInNamespace(node: KeyNode, namespace: string): KeyNode {
  return {
    ...node,
    key: relativeKey(node.key, namespace),
    nodes: node.nodes.map((child) => nodeInNamespace(child, namespace)),
  };
}

/** "/" is the namespace itself, and whatever is above it: an event tells that a directory there was deleted. */
function relativeKey(key: string, namespace: string): string {
  return key.startsWith(`${namespace}/`) ? key.slice(namespace.length) : "/";
}
