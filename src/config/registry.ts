import type { KeyNode, KeysResponse } from "../core/index.js";
import type { Codec } from "./codec.js";
import { metaOf, Shelf, type File } from "./shelf.js";
import type { Endpoints, EndpointsUpdate, ObjectMeta, Service, ServiceUpdate } from "./types.js";

const specsFolder = "specs";
export const endpointsFolder = "endpoints";

/** What is to be told of one change in etcd. */
export interface RegistryUpdate {
  readonly services?: ServiceUpdate;
  readonly endpoints?: EndpointsUpdate;
}

/** A file that came or changed, or went. */
export interface FileChange {
  readonly type: "set" | "remove";
  /** Of one that went, as it was last, where that is known. */
  readonly node: File;
}

/**
 * The objects of a registry in etcd, `<root>/specs/[namespace/]name` and `<root>/endpoints/[namespace/]name`, as they
 * were last understood. The path says who an object is, whatever its text says: a removal tells only the path.
 */
export class Registry {
  readonly #root: string;
  readonly #services: Shelf<Service>;
  readonly #endpoints: Shelf<Endpoints>;
  /** Paths of endpoints that are not in etcd, only in the place of those that a service lacked when it was listed. */
  readonly #standIns = new Set<string>();

  constructor(root: string, codec: Codec, onUndecodable: (key: string, error: unknown) => void) {
    this.#root = root;
    this.#services = new Shelf<Service>(
      `${root}/${specsFolder}/`,
      (text, origin) => codec.decodeService(text, origin),
      bareService,
      onUndecodable,
    );
    this.#endpoints = new Shelf<Endpoints>(
      `${root}/${endpointsFolder}/`,
      (text, origin) => codec.decodeEndpoints(text, origin),
      bareEndpoints,
      onUndecodable,
    );
  }

  get services(): Service[] {
    return this.#services.items();
  }

  get endpoints(): Endpoints[] {
    return this.#endpoints.items();
  }

  /** Takes a whole listing in place of what was known. What cannot be decoded stays as it was. */
  replace(nodes: Iterable<KeyNode>): void {
    const files = [...nodes];
    for (const path of this.#standIns) this.#endpoints.delete(path);
    this.#standIns.clear();
    this.#services.replace(files);
    this.#endpoints.replace(files);
    for (const path of this.#services.paths()) {
      if (this.#endpoints.has(path)) continue;
      this.#endpoints.put(path, bareEndpoints(metaOf(path)));
      this.#standIns.add(path);
    }
  }

  /** Takes changes that belong together. Those of other keys, and what cannot be decoded, are left out. */
  apply(changes: readonly FileChange[]): RegistryUpdate {
    const set = changes.filter(({ type }) => type === "set").map(({ node }) => node);
    const removed = changes.filter(({ type }) => type === "remove").map(({ node }) => node);
    for (const node of set) this.#standIns.delete(this.#endpoints.pathOf(node.key) ?? "");
    const services = changeOf(this.#services.set(set), this.#services.remove(removed));
    const endpoints = changeOf(this.#endpoints.set(set), [
      ...this.#endpoints.remove(removed),
      ...this.#endStandIns(removed),
    ]);
    return {
      ...(services !== undefined && { services: { op: services.op, services: services.items } }),
      ...(endpoints !== undefined && { endpoints: { op: endpoints.op, endpoints: endpoints.items } }),
    };
  }

  /** What an event says of files: the end of a directory is that of every known file below it. */
  changesOf({ action, node, prevNode }: KeysResponse): readonly FileChange[] {
    const removes = action === "delete" || action === "expire" || action === "compareAndDelete";
    if (!removes) return node.dir ? [] : [{ type: "set", node }];
    if (!node.dir) return [{ type: "remove", node: { ...node, value: prevNode?.value ?? "" } }];
    const below = [...this.#services.keys(), ...this.#endpoints.keys()].filter(
      (key) => node.key === "/" || key.startsWith(`${node.key}/`),
    );
    return below.map((key) => ({ type: "remove", node: { key, value: "", modifiedIndex: node.modifiedIndex } }));
  }

  isEndpoints(key: string): boolean {
    return key.startsWith(`${this.#root}/${endpointsFolder}/`);
  }

  #endStandIns(removed: readonly File[]): readonly Endpoints[] {
    const paths = removed
      .map(({ key }) => this.#services.pathOf(key))
      .filter((path) => path !== undefined && this.#standIns.delete(path));
    return this.#endpoints.remove(
      paths.map((path) => ({ key: this.#endpoints.keyOf(path ?? ""), value: "", modifiedIndex: 0 })),
    );
  }
}

function changeOf<T>(
  set: readonly T[],
  removed: readonly T[],
): { readonly op: "add" | "remove"; readonly items: readonly T[] } | undefined {
  if (set.length > 0) return { op: "add", items: set };
  return removed.length > 0 ? { op: "remove", items: removed } : undefined;
}

function bareService(metadata: ObjectMeta): Service {
  return { metadata, spec: { port: 0, protocol: "TCP", sessionAffinity: "None" } };
}

function bareEndpoints(metadata: ObjectMeta): Endpoints {
  return { metadata, protocol: "TCP", endpoints: [] };
}
