import type { Header } from "./decode.js";

/** A client meets one cluster, and now and then another one in its place. */
const maxClusters = 8;

/** The highest index in any response of a cluster. All endpoints of a client share it. */
export class ClusterView {
  /** Replaced, never changed: requests that are under way keep the one of their time. */
  #indexes: ReadonlyMap<string, number> = new Map();

  /** 0 before the first response that has one. */
  indexOf(clusterId: string): number {
    return this.#indexes.get(clusterId) ?? 0;
  }

  /** Takes note of the header of a response. */
  see({ clusterId, revision }: Header): void {
    if (revision <= this.indexOf(clusterId)) return;
    this.#set(clusterId, revision);
  }

  /**
   * Call this when a write, or a read that is not serializable, is sent; pass the header of its response to the result.
   * Such a response knows every write that was acknowledged before. If its revision is lower all the same, the store has
   * started over, with the same id, and counts anew.
   */
  expectCurrent(): (header: Header) => void {
    const before = this.#indexes;
    return (header) => {
      const known = before.get(header.clusterId) ?? 0;
      const hasChanged = this.indexOf(header.clusterId) !== known;
      if (header.revision >= known || hasChanged) this.see(header);
      else this.#set(header.clusterId, header.revision);
    };
  }

  #set(clusterId: string, index: number): void {
    const indexes = new Map(this.#indexes).set(clusterId, index);
    const [oldest] = indexes.keys();
    if (indexes.size > maxClusters && oldest !== undefined) indexes.delete(oldest);
    this.#indexes = indexes;
  }
}
