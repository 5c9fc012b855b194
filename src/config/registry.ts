import type { KeyNode, KeysResponse } from "../core/index.js";
import type { Codec } from "./codec.js";
import { DecodedObjects, metaOf, type File } from "./decoded-objects.js";
import type { Endpoints, EndpointsUpdate, ObjectMeta, Service, ServiceUpdate } from "./types.js";

const specsFolder = "specs";
/** The folder of endpoints, below the root. */
export const endpointsFolder = "endpoints";

/** What to send after one change in etcd; a kind that did not change is absent. */
export interface RegistryUpdate {
  /** For the sink of services. */
  readonly services?: ServiceUpdate;
  /** For the sink of endpoints. */
  readonly endpoints?: EndpointsUpdate;
}

/** A file that was added or changed, or that was removed. */
export interface FileChange {
  /** Whether it is there. */
  readonly type: "set" | "remove";
  /** The file as it is; a removed one as it was last, if that is known. */
  readonly node: File;
}

/**
 * The objects of a registry in etcd, `<root>/specs/[namespace/]name` and `<root>/endpoints/[namespace/]name`, as they
 * were last decoded. The path is the name of an object, whatever its text says: the event of a removal has only the path.
 */
export class Registry {
  readonly #root: string;
  readonly #services: DecodedObjects<Service>;
  readonly #endpoints: DecodedObjects<Endpoints>;
  /** Paths of services that had no endpoints in etcd when they were listed, and have an empty placeholder. */
  readonly #placeholders = new Set<string>();

  /** @param onUndecodable called with each file that cannot be decoded; must not throw */
  constructor(root: string, codec: Codec, onUndecodable: (key: string, error: unknown) => void) {
    this.#root = root;
    this.#services = new DecodedObjects<Service>(
      {
        folder: `${root}/${specsFolder}/`,
        decode: (text, origin) => codec.decodeService(text, origin),
        placeholder: placeholderService,
      },
      onUndecodable,
    );
    this.#endpoints = new DecodedObjects<Endpoints>(
      {
        folder: `${root}/${endpointsFolder}/`,
        decode: (text, origin) => codec.decodeEndpoints(text, origin),
        placeholder: placeholderEndpoints,
      },
      onUndecodable,
    );
  }

  /** All services. A fresh array. */
  get services(): Service[] {
    return this.#services.items();
  }

  /** All endpoints, placeholders included. A fresh array. */
  get endpoints(): Endpoints[] {
    return this.#endpoints.items();
  }

  /** Replaces everything by a whole listing. An object that cannot be decoded stays as it was. */
  replace(nodes: Iterable<KeyNode>): void {
    const files = [...nodes];
    for (const path of this.#placeholders) this.#endpoints.delete(path);
    this.#placeholders.clear();
    this.#services.replace(files);
    this.#endpoints.replace(files);
    for (const path of this.#services.paths()) {
      if (this.#endpoints.has(path)) continue;
      this.#endpoints.put(path, placeholderEndpoints(metaOf(path)));
      this.#placeholders.add(path);
    }
  }

  /** Applies changes that belong together. Other keys, and objects that cannot be decoded, are left out. */
  apply(changes: readonly FileChange[]): RegistryUpdate {
    const set = changes.filter(({ type }) => type === "set").map(({ node }) => node);
    const removed = changes.filter(({ type }) => type === "remove").map(({ node }) => node);
    for (const node of set) this.#placeholders.delete(this.#endpoints.pathOf(node.key) ?? "");
    const services = changeOf(this.#services.set(set), this.#services.remove(removed));
    const endpoints = changeOf(this.#endpoints.set(set), [
      ...this.#endpoints.remove(removed),
      ...this.#endPlaceholders(removed),
    ]);
    return {
      ...(services !== undefined && { services: { op: services.op, services: services.items } }),
      ...(endpoints !== undefined && { endpoints: { op: endpoints.op, endpoints: endpoints.items } }),
    };
  }

  /** The changes of files in an event. The removal of a directory is that of every known file below it. */
  changesOf({ action, node, prevNode }: KeysResponse): readonly FileChange[] {
    const removes = action === "delete" || action === "expire" || action === "compareAndDelete";
    if (!removes) return node.dir ? [] : [{ type: "set", node }];
    if (!node.dir) return [{ type: "remove", node: { ...node, value: prevNode?.value ?? "" } }];
    const below = [...this.#services.keys(), ...this.#endpoints.keys()].filter(
      (key) => node.key === "/" || key.startsWith(`${node.key}/`),
    );
    return below.map((key) => ({ type: "remove", node: { key, value: "", modifiedIndex: node.modifiedIndex } }));
  }

  /** Whether a key belongs to endpoints. */
  isEndpoints(key: string): boolean {
    return key.startsWith(`${this.#root}/${endpointsFolder}/`);
  }

  #endPlaceholders(removed: readonly File[]): readonly Endpoints[] {
    const paths = removed
      .map(({ key }) => this.#services.pathOf(key))
      .filter((path) => path !== undefined && this.#placeholders.delete(path));
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

function placeholderService(metadata: ObjectMeta): Service {
  return { metadata, spec: { port: 0, protocol: "TCP", sessionAffinity: "None" } };
}

function placeholderEndpoints(metadata: ObjectMeta): Endpoints {
  return { metadata, protocol: "TCP", endpoints: [] };
}
