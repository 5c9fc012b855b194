import { goJson } from "../server/go-json.js";
import type { Cluster } from "./cluster.js";
import { AdminError, internalError } from "./refusal.js";
import type { Identity, Replica } from "./replica.js";
import type { Store, StoreResult } from "./store.js";

/** Adds a member that has not been started. */
export function addToStore(store: Store, { id, peerURLs }: Identity): StoreResult {
  return store.create(`/0/members/${id}/raftAttributes`, { value: goJson({ peerURLs }) });
}

/** A member that starts publishes its name and its client URLs. */
export function publishToStore(store: Store, { id, name, clientURLs }: Identity): StoreResult {
  return store.set(`/0/members/${id}/attributes`, { value: goJson({ name, clientURLs }) });
}

/** The members as a store has them, in the order of their ids. */
export function membersIn(store: Store): readonly Identity[] {
  const ids = store.tree.peek("/0/members")?.names ?? [];
  return ids
    .toSorted((a, b) => (BigInt(`0x${a}`) < BigInt(`0x${b}`) ? -1 : 1))
    .map((id) => {
      const { peerURLs = [] } = parsed(store, `/0/members/${id}/raftAttributes`);
      const { name = "", clientURLs = [] } = parsed(store, `/0/members/${id}/attributes`);
      return { id, name, peerURLs, clientURLs };
    });
}

/** Changes of the membership, requested at one member. */
export class Membership {
  readonly #cluster: Cluster;
  readonly #replica: Replica;
  readonly #onAdd: (peerURLs: readonly string[]) => Identity;
  readonly #onRemove: (id: string) => void;

  constructor(
    cluster: Cluster,
    replica: Replica,
    onAdd: (peerURLs: readonly string[]) => Identity,
    onRemove: (id: string) => void,
  ) {
    this.#cluster = cluster;
    this.#replica = replica;
    this.#onAdd = onAdd;
    this.#onRemove = onRemove;
  }

  /** Resolves to the new member, which has no name and no client URL before it is started. */
  async add(peerURLs: readonly string[]): Promise<Identity> {
    this.#requireSettled();
    this.#requireFree(peerURLs);
    const identity = this.#onAdd(peerURLs);
    await this.#propose((store) => addToStore(store, identity));
    this.#cluster.review();
    return { ...identity, name: "", clientURLs: [] };
  }

  async remove(id: string): Promise<void> {
    this.#requireKnown(id, 410, `Member permanently removed: ${id}`);
    const rest = membersIn(this.#replica.store).filter((member) => member.id !== id);
    // etcd refuses to lose its majority of started members
    const started = rest.filter((member) => member.name !== "").length;
    if (started <= rest.length / 2) throw internalError();
    await this.#propose((store) => store.delete(`/0/members/${id}`, { dir: true, recursive: true }));
    await this.#propose((store) => store.create(`/0/removed_members/${id}`, { value: "" }));
    this.#onRemove(id);
    this.#cluster.review();
  }

  async update(id: string, peerURLs: readonly string[]): Promise<void> {
    this.#requireKnown(id, 500, "Internal Server Error");
    this.#requireFree(peerURLs, id);
    await this.#propose((store) => store.set(`/0/members/${id}/raftAttributes`, { value: goJson({ peerURLs }) }));
  }

  #requireKnown(id: string, removedStatus: number, removedMessage: string): void {
    const { store } = this.#replica;
    if (store.tree.peek(`/0/removed_members/${id}`) !== undefined) throw new AdminError(removedStatus, removedMessage);
    if (store.tree.peek(`/0/members/${id}`) === undefined) throw new AdminError(404, `No such member: ${id}`);
  }

  #requireFree(peerURLs: readonly string[], except?: string): void {
    const taken = membersIn(this.#replica.store).flatMap((member) => (member.id === except ? [] : member.peerURLs));
    if (peerURLs.some((url) => taken.includes(url))) throw new AdminError(409, "membership: peerURL exists");
  }

  /** etcd adds no member until all others have been connected for a while. */
  #requireSettled(): void {
    const { voters, settlingMs, clock } = this.#cluster;
    const others = voters.filter((replica) => replica !== this.#replica);
    const sinceMs = Math.max(0, ...others.map((other) => (other.connected ? other.connectedSinceMs : Infinity)));
    if (this.#cluster.leaderOf(this.#replica) === undefined || clock.now() - sinceMs < settlingMs)
      throw internalError();
  }

  async #propose(change: (store: Store) => StoreResult): Promise<void> {
    if ((await this.#cluster.propose(this.#replica, change)) === undefined) throw internalError();
  }
}

function parsed(store: Store, path: string): Partial<Identity> {
  return JSON.parse(store.tree.peek(path)?.value ?? "{}") as Partial<Identity>;
}
