import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import type { KeyNode } from "../types.js";
import { relativeKey } from "./namespace.js";
import { isObject, malformed } from "./response.js";

/** A node in etcd's JSON, before it is checked. */
interface JsonNode {
  readonly key?: unknown;
  readonly value?: unknown;
  readonly dir?: unknown;
  readonly nodes?: unknown;
  readonly createdIndex?: unknown;
  readonly modifiedIndex?: unknown;
  readonly expiration?: unknown;
  readonly ttl?: unknown;
}

/** A list of nodes, of which the first `at` are decoded. */
interface List {
  readonly nodes: unknown[];
  at: number;
}

/**
 * Checks the nodes of one response and makes them {@link KeyNode}s, in one pass. Most of the time of a large response goes into
 * this and into `JSON.parse`, so it writes each field out, allocates one object for each node, and puts the nodes into the
 * arrays that `JSON.parse` has made. It is not recursive: one key of 4 kB can be 1,600 levels deep.
 */
export class KeyTree {
  readonly #raw: RawResponse;
  readonly #spec: RequestSpec;
  readonly #namespace: string;
  /** Lists that are not decoded yet. */
  readonly #left: List[] = [];

  /** @param namespace keys become relative to it; "" for none */
  constructor(raw: RawResponse, spec: RequestSpec, namespace: string) {
    this.#raw = raw;
    this.#spec = spec;
    this.#namespace = namespace;
  }

  /**
   * Decodes one node; {@link decode} does what is below it.
   *
   * @throws {ResponseError} it is not a node
   */
  node(body: JsonNode): KeyNode {
    const key = body.key ?? "";
    const value = body.value ?? "";
    const dir = body.dir ?? false;
    const nodes = body.nodes ?? noNodes;
    const createdIndex = body.createdIndex ?? 0;
    const modifiedIndex = body.modifiedIndex ?? 0;
    const { expiration, ttl } = body;
    if (typeof dir !== "boolean") throw this.#malformed('"dir" is not true or false');
    if (!Array.isArray(nodes)) throw this.#malformed('"nodes" is not an array');
    if (typeof key !== "string") throw this.#malformed('"key" is not a string');
    if (typeof value !== "string") throw this.#malformed('"value" is not a string');
    if (!isWhole(createdIndex, 0)) throw this.#notWhole("createdIndex");
    if (!isWhole(modifiedIndex, 0)) throw this.#notWhole("modifiedIndex");
    if (nodes.length > 0) this.#left.push({ nodes: nodes as unknown[], at: 0 });
    const node: KeyNode = {
      key: this.#namespace === "" ? key || "/" : relativeKey(key, this.#namespace),
      value,
      dir,
      // decode replaces its elements
      nodes: nodes.length > 0 ? (nodes as KeyNode[]) : noNodes,
      createdIndex,
      modifiedIndex,
    };
    return (expiration ?? ttl ?? undefined) === undefined ? node : this.#withTtl(node, expiration, ttl);
  }

  /**
   * Decodes what is below the nodes that {@link node} returned.
   *
   * @param count at most so many nodes
   * @returns whether there is more
   * @throws {ResponseError} something in it is not a node
   */
  decode(count: number): boolean {
    let todo = count;
    for (let list = this.#left.pop(); list !== undefined; list = this.#left.pop()) {
      const { nodes } = list;
      const end = Math.min(nodes.length, list.at + todo);
      // first the whole list, then what is below it
      const below = this.#left.length;
      for (let i = list.at; i < end; i++) {
        const body = nodes[i];
        if (!isObject(body)) throw this.#malformed("a node is not an object");
        nodes[i] = this.node(body);
      }
      todo -= end - list.at;
      list.at = end;
      if (end < nodes.length) this.#left.splice(below, 0, list);
      if (todo === 0) return this.#left.length > 0;
    }
    return false;
  }

  #withTtl(node: KeyNode, text: unknown, ttl: unknown): KeyNode {
    const { key, value, dir, nodes, createdIndex, modifiedIndex } = node;
    const hasTtl = (ttl ?? undefined) !== undefined;
    if ((text ?? undefined) === undefined) return isTtl(ttl) ? { ...node, ttl } : this.#refuseTtl();
    const expiration = typeof text === "string" && rfc3339.test(text) ? new Date(text) : undefined;
    if (typeof text !== "string" || expiration === undefined || Number.isNaN(expiration.getTime()))
      throw this.#malformed('"expiration" is not an RFC 3339 time');
    if (!hasTtl) return { ...node, expiration, expirationText: text };
    if (!isTtl(ttl)) return this.#refuseTtl();
    // written out: on Node 20 spreading into a literal costs more than reading the JSON
    return { key, value, dir, nodes, createdIndex, modifiedIndex, expiration, expirationText: text, ttl };
  }

  #refuseTtl(): never {
    throw this.#notWhole("ttl");
  }

  /** etcd's numbers have 64 bits: one that a double cannot hold was rounded by JSON.parse, and is refused. */
  #notWhole(name: string): Error {
    return this.#malformed(`"${name}" is not a whole number that JavaScript can hold exactly`);
  }

  #malformed(what: string): Error {
    return malformed(this.#raw, this.#spec, what);
  }
}

/** The `nodes` of all nodes without children: one shared array. */
const noNodes: readonly KeyNode[] = Object.freeze([]);

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

function isWhole(value: unknown, min: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= min;
}

function isTtl(value: unknown): value is number {
  return isWhole(value, -Number.MAX_SAFE_INTEGER);
}
