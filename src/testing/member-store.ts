import type { AdminCall, KeysCall, WatchCall } from "../core/call.js";
import type * as port from "../core/keys-store.js";
import type { EtcdVersion } from "../server/messages.js";
import { EtcdErrorCode } from "../util/errors.js";
import { AuthStore } from "./auth-store.js";
import type { Cluster } from "./cluster.js";
import { isError, type StoreEvent } from "./event.js";
import { changeOf } from "./key-changes.js";
import { pathOf } from "./key-node.js";
import { administer } from "./member-admin.js";
import type { Membership } from "./membership.js";
import { administered } from "./refusal.js";
import type { Change, Replica } from "./replica.js";
import type { StoreResult } from "./store.js";
import type { StoreWatcher } from "./store-watcher.js";

export interface MemberStoreOptions {
  readonly clusterId: string;
  readonly version: EtcdVersion;
  /** How much longer a call with credentials takes, in ms: a real etcd hashes the password. */
  readonly authDelayMs: number;
}

/** The v2 store of one member of the cluster. */
export class MemberStore implements port.KeysStore {
  readonly replica: Replica;
  readonly cluster: Cluster;
  readonly membership: Membership;
  readonly auth: AuthStore;
  readonly options: MemberStoreOptions;

  constructor(cluster: Cluster, replica: Replica, membership: Membership, options: MemberStoreOptions) {
    this.cluster = cluster;
    this.replica = replica;
    this.membership = membership;
    this.options = options;
    this.auth = new AuthStore(replica, (change) => cluster.propose(replica, change));
  }

  async execute(call: KeysCall, context: port.CallContext): Promise<port.Done | port.Refused> {
    const refused = await this.#admit(call, context);
    if (refused !== undefined) return refused;
    if (call.kind === "get" && !call.quorum) return this.#answer(changeOf(call, 0)(this.replica.store));
    const result = await this.cluster.propose(this.replica, changeOf(call, this.cluster.clock.now()), context.signal);
    return this.#answer(result);
  }

  async watch(call: WatchCall, context: port.CallContext): Promise<port.KeysWatch | port.Refused> {
    const refused = await this.#admit(call, context);
    if (refused !== undefined) return refused;
    const since = Number(call.waitIndex);
    const watcher = this.replica.store.watch(pathOf(call.key), call.recursive, since);
    return isError(watcher) ? { ...watcher, ...this.#place(watcher.index) } : this.#keysWatch(watcher);
  }

  async administer(call: AdminCall, context: port.CallContext): Promise<port.Administered> {
    this.cluster.catchUp();
    return administered(this.options.clusterId, () => administer(this, call, context));
  }

  /** Proposes a change at this member. Resolves to undefined when it was not committed in time. */
  propose(change: Change): Promise<StoreResult | undefined> {
    return this.cluster.propose(this.replica, change);
  }

  /** Why the caller may not make the call; undefined if it may. */
  async #admit(call: KeysCall | WatchCall, context: port.CallContext): Promise<port.Refused | undefined> {
    const { credentials, signal } = context;
    const { authDelayMs } = this.options;
    if (authDelayMs > 0 && credentials !== undefined) await this.cluster.clock.sleep(authDelayMs, signal);
    this.cluster.catchUp();
    const writes = call.kind !== "get" && call.kind !== "watch";
    const recursive = "recursive" in call && call.recursive;
    if (this.auth.mayUse(context.keyAsSent ?? call.key, writes, recursive, credentials)) return undefined;
    return { errorCode: EtcdErrorCode.unauthorized, cause: "Insufficient credentials", ...this.#place(0) };
  }

  #answer(result: StoreResult | undefined): port.Done | port.Refused {
    if (result === undefined) return { ...timedOut, ...this.#place(0) };
    return isError(result) ? { ...result, ...this.#place(result.index) } : this.#done(result, result.index);
  }

  #done({ action, node, prevNode }: StoreEvent, index: number): port.Done {
    return { action, node, prevNode, ...this.#place(index) };
  }

  #place(index: number): port.Place {
    return { index, clusterId: this.options.clusterId, raft: this.cluster.raftOf(this.replica) };
  }

  #keysWatch(watcher: StoreWatcher): port.KeysWatch {
    return {
      ...this.#place(watcher.index),
      next: async (signal) => {
        const event = await watcher.next(signal);
        return event && [this.#done(event, watcher.index)];
      },
      close: () => {
        watcher.close();
      },
    };
  }
}

const timedOut = { errorCode: EtcdErrorCode.raftInternal, cause: "etcdserver: request timed out" } as const;
