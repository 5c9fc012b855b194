import { EtcdErrorCode } from "../util/errors.js";
import { failedCondition, type Condition } from "./condition.js";
import { isError, type StoreError, type StoreEvent } from "./event.js";
import * as nodes from "./key-node.js";
import { KeyTree } from "./key-tree.js";
import { newCounters, type Counter } from "./statistics.js";
import type { StoreWatcher } from "./store-watcher.js";
import { WatchHub } from "./watch-hub.js";

export interface StoreOptions {
  /** How many events the history keeps. */
  readonly historySize: number;
  /** From 3.5 on the TTL of a directory cannot be changed. */
  readonly fixedDirectories: boolean;
  /** The time, in ms. */
  readonly now: () => number;
}

/** The parameters of a write. */
export interface StoreWrite {
  readonly dir?: boolean | undefined;
  readonly value: string;
  /** When the key expires, in ms of the clock; undefined: never. */
  readonly expiresMs?: number | undefined;
  /** Keeps the value, and notifies no watcher. */
  readonly refresh?: boolean | undefined;
}

export type StoreResult = StoreEvent | StoreError;

/** etcd's v2 store: a tree of keys, one index, watchers and history. The same operations in the same order give the same store. */
export class Store {
  readonly hub: WatchHub;
  readonly counters = newCounters();
  readonly #options: StoreOptions;
  readonly #tree = new KeyTree();
  #index = 0;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.hub = new WatchHub(options.historySize);
  }

  get index(): number {
    return this.#index;
  }

  /** When the next key expires, in ms of the clock; undefined: none does. */
  get nextExpiryMs(): number | undefined {
    return this.#tree.nextExpiryMs;
  }

  get(path: string, listing: nodes.Listing): StoreResult {
    const node = this.#find(path);
    this.counters[isError(node) ? "getsFail" : "getsSuccess"]++;
    if (isError(node)) return node;
    return { action: "get", path, index: this.#index, node: nodes.viewOf(node, this.#options.now(), listing) };
  }

  /** The key tree; using it does not count as a read in the statistics. */
  get tree(): Pick<KeyTree, "files" | "peek"> {
    return this.#tree;
  }

  set(path: string, write: StoreWrite): StoreResult {
    const before = this.#find(path);
    const missing = isError(before);
    if (missing && (write.refresh === true || before.errorCode !== EtcdErrorCode.keyNotFound))
      return this.#counted("setsFail", before);
    const kept = !missing && write.refresh === true ? { ...write, value: before.value } : write;
    return this.#make("set", path, kept, missing ? undefined : before);
  }

  create(path: string, write: StoreWrite): StoreResult {
    return this.#make("create", path, { ...write, refresh: false }, undefined);
  }

  /** Creates a key whose name is the new index. */
  createInOrder(directory: string, write: StoreWrite): StoreResult {
    return this.create(nodes.childPath(directory, String(this.#index + 1).padStart(20, "0")), write);
  }

  update(path: string, write: StoreWrite): StoreResult {
    // etcd counts these two refusals as successes
    if (this.#isReadOnly(path)) return this.#counted("updateSuccess", this.#readOnly());
    const node = this.#find(path);
    if (isError(node)) return this.#counted("updateFail", node);
    if (node.children !== undefined && write.value !== "")
      return this.#counted("updateSuccess", this.#error(EtcdErrorCode.notFile, path));
    if (node.children !== undefined && this.#options.fixedDirectories) {
      const cause = `nodePath ${path} : Not a file ()`;
      return this.#counted("updateSuccess", { errorCode: EtcdErrorCode.raftInternal, cause, index: 0 });
    }
    return this.#counted("updateSuccess", this.#change("update", node, write));
  }

  compareAndSwap(path: string, condition: Condition, write: StoreWrite): StoreResult {
    if (this.#isReadOnly(path)) return this.#counted("compareAndSwapSuccess", this.#readOnly());
    const node = this.#find(path);
    if (isError(node)) return this.#counted("compareAndSwapFail", node);
    const refusal = failedCondition(node, condition, this.#index);
    if (refusal !== undefined) return this.#counted("compareAndSwapFail", refusal);
    return this.#counted("compareAndSwapSuccess", this.#change("compareAndSwap", node, write));
  }

  /** @param dir also an empty directory; `recursive`: also one that is not empty */
  delete(path: string, { dir, recursive }: { readonly dir: boolean; readonly recursive: boolean }): StoreResult {
    if (this.#isReadOnly(path)) return this.#counted("deleteSuccess", this.#readOnly());
    const node = this.#find(path);
    if (isError(node)) return this.#counted("deleteFail", node);
    if (node.children !== undefined && !dir && !recursive)
      return this.#counted("deleteFail", this.#error(EtcdErrorCode.notFile, path));
    if (node.children !== undefined && node.children.size > 0 && !recursive)
      return this.#counted("deleteFail", this.#error(EtcdErrorCode.dirNotEmpty, path));
    return this.#counted("deleteSuccess", this.#remove("delete", node));
  }

  compareAndDelete(path: string, condition: Condition): StoreResult {
    const node = this.#find(path);
    if (isError(node)) return this.#counted("compareAndDeleteFail", node);
    // etcd counts a refusal as a success
    return this.#counted(
      "compareAndDeleteSuccess",
      failedCondition(node, condition, this.#index) ?? this.#remove("compareAndDelete", node),
    );
  }

  /** Removes the keys that are due, in the order in which they expire. */
  expire(untilMs: number): void {
    for (let node = this.#tree.due(untilMs); node !== undefined; node = this.#tree.due(untilMs)) {
      this.counters.expireCount++;
      this.#remove("expire", node);
    }
  }

  /** Removes one key as if it had expired; false if there is none. */
  expireNow(path: string): boolean {
    const node = this.#find(path);
    if (isError(node) || this.#isReadOnly(path)) return false;
    this.counters.expireCount++;
    this.#remove("expire", node);
    return true;
  }

  /** @param since the first index of interest; 0: from now on */
  watch(path: string, recursive: boolean, since: number): StoreWatcher | StoreError {
    const watcher = this.hub.watch(path, recursive, since, this.#index);
    return "errorCode" in watcher ? { ...watcher, index: this.#index } : watcher;
  }

  /** Becomes a copy of another store, without its watchers. */
  copyFrom(other: Store): void {
    this.#tree.copyFrom(other.#tree);
    this.#index = other.#index;
    this.hub.history.copyFrom(other.hub.history);
  }

  /** Empties the users' keys and auth without events; the index goes on. */
  clear(): void {
    this.#tree.clear();
    this.hub.history.clear(this.#index);
  }

  #find(path: string): nodes.TreeNode | StoreError {
    const found = this.#tree.find(path);
    return "errorCode" in found ? this.#error(found.errorCode, found.path) : found;
  }

  /** set, create: makes a new node, which may replace a file. */
  #make(action: "set" | "create", path: string, write: StoreWrite, before: nodes.TreeNode | undefined): StoreResult {
    const fail = action === "set" ? "setsFail" : "createFail";
    if (this.#isReadOnly(path)) return this.#counted(fail, this.#readOnly());
    const end = path.lastIndexOf("/");
    const name = path.slice(end + 1);
    const parent = this.#tree.parentFor(path.slice(0, end), this.#index + 1);
    if ("errorCode" in parent) {
      this.counters.setsFail++;
      return this.#counted(fail, this.#error(parent.errorCode, parent.path));
    }
    const there = parent.children?.get(name);
    if (there !== undefined && action === "create")
      return this.#counted(fail, this.#error(EtcdErrorCode.nodeExist, path));
    if (there?.children !== undefined) return this.#counted(fail, this.#error(EtcdErrorCode.notFile, path));
    const nowMs = this.#options.now();
    const prevNode = before === undefined ? undefined : nodes.viewOf(before, nowMs);
    if (there !== undefined) this.#tree.remove(there);
    this.#index++;
    const expiresMs =
      write.expiresMs !== undefined && write.expiresMs >= Math.min(earliestMs, nowMs) ? write.expiresMs : undefined;
    const node = this.#tree.add(parent, name, { ...write, expiresMs, dir: write.dir === true, index: this.#index });
    return this.#counted(
      action === "set" ? "setsSuccess" : "createSuccess",
      this.#tell({ action, path, index: this.#index, node: nodes.viewOf(node, nowMs), prevNode }, write.refresh),
    );
  }

  /** update, compareAndSwap: of a directory only the TTL changes, and its index stays. */
  #change(action: "update" | "compareAndSwap", node: nodes.TreeNode, write: StoreWrite): StoreEvent {
    const nowMs = this.#options.now();
    const prevNode = nodes.viewOf(node, nowMs);
    this.#index++;
    if (node.children === undefined) {
      if (write.refresh !== true) node.value = write.value;
      node.modifiedIndex = this.#index;
    }
    this.#tree.retime(node, write.expiresMs);
    const view = { ...nodes.viewOf(node, nowMs), modifiedIndex: this.#index };
    return this.#tell({ action, path: node.path, index: this.#index, node: view, prevNode }, write.refresh);
  }

  #remove(action: "delete" | "compareAndDelete" | "expire", node: nodes.TreeNode): StoreEvent {
    const nowMs = this.#options.now();
    const event: StoreEvent = {
      action,
      path: node.path,
      index: ++this.#index,
      node: {
        ...nodes.keyField(node.path),
        ...(node.children !== undefined && { dir: true as const }),
        ...nodes.indexFields(this.#index, node.createdIndex),
      },
      prevNode: nodes.viewOf(node, nowMs),
    };
    this.#tree.remove(node, (removed) => {
      this.hub.notifyAt(event, removed.path, true);
    });
    this.hub.notify(event);
    return event;
  }

  #tell(event: StoreEvent, refresh: boolean | undefined): StoreEvent {
    if (refresh === true) this.hub.history.add({ ...event, refresh });
    else this.hub.notify(event);
    return event;
  }

  #isReadOnly(path: string): boolean {
    return path === "/" || path === "/0" || path === "/1";
  }

  #readOnly(): StoreError {
    return { errorCode: EtcdErrorCode.rootReadOnly, cause: "/", index: this.#index };
  }

  #error(errorCode: EtcdErrorCode, path: string): StoreError {
    return { errorCode, cause: nodes.userKey(path), index: this.#index };
  }

  #counted<T extends StoreResult>(counter: Counter, result: T): T {
    this.counters[counter]++;
    return result;
  }
}

/** etcd treats an earlier expiration as none. That is not imitated for a clock that a test has set to an earlier time. */
const earliestMs = Date.UTC(2000, 0, 1);
