import pLimit from "p-limit";
import type { KeyNode } from "../../core/index.js";
import type { KeyValue } from "../../v3/decode.js";
import { GatewayError, grpcCode } from "../../v3/gateway.js";
import { ancestorsOf } from "../../v3/layout.js";
import { absent, modifiedAt, put, remove, type CompareOp, type Op } from "../../v3/operations.js";
import { CommandFailed } from "../io.js";
import { printable } from "../progress.js";
import type { Job } from "./job.js";
import type { Keeper } from "./keeper.js";
import type { MigrateOptions } from "./options.js";
import { ttlOf } from "./source.js";
import type { State } from "./state.js";
import type { Target } from "./target.js";

/** How many keys one transaction writes at most, and how large their values may be together, in characters. */
export const batchKeys = 100;
export const batchSize = 1_000_000;
/** The shortest lease while v2 is followed, in seconds: a machine that stalls must not lose keys. */
const shortestKept = 30;
/** By how much a lease may be shorter than the TTL in v2, in seconds. */
const slack = 2;
/** How often a batch is compared again because another writer changed a key of it. */
const maxTries = 30;
const atOnce = 16;

/** What v2 has at a path. */
export interface Item {
  readonly path: string;
  /** Undefined: nothing. */
  readonly node: KeyNode | undefined;
  /** It was just written in v2: its TTL starts again. @default false */
  readonly isEvent?: boolean;
}

/** How one key is to be changed. */
interface Change {
  readonly path: string;
  /** What is in v3 now. */
  readonly kv: KeyValue | undefined;
  /** Undefined: it is deleted. */
  readonly value: string | undefined;
  /** In seconds. */
  readonly ttl: number | undefined;
}

/** Makes v3 what v2 is, path by path. What others have written to v3 is kept, and counted as a conflict. */
export class Writer {
  /** How many keys were written; deleted; were as they should be. */
  readonly counts = { written: 0, deleted: 0, equal: 0 };
  /** The paths that were kept as others wrote them. */
  readonly conflicts = new Set<string>();
  readonly #target: Target;
  readonly #state: State;
  readonly #options: Pick<MigrateOptions, "directories" | "overwrite">;
  readonly #keeper: Keeper | undefined;
  /** Directories that are known to be in v3. */
  readonly #directories = new Set<string>();

  /** @param keeper absent: v2 is not followed */
  constructor({ target, state, options }: Pick<Job, "target" | "state" | "options">, keeper?: Keeper) {
    this.#target = target;
    this.#state = state;
    this.#options = options;
    this.#keeper = keeper;
  }

  /** Writes items, each path at most once. In transactions of {@link batchKeys}, in their order. */
  async write(items: readonly Item[]): Promise<void> {
    const all = this.#withDirectories(items);
    for (let i = 0; i < all.length; i += batchKeys) await this.#writeBatch(all.slice(i, i + batchKeys));
  }

  /** Forgets which directories exist: one of them may be gone. */
  forgetDirectories(): void {
    this.#directories.clear();
  }

  /** The items and their parent directories, which v2 creates without an event. */
  #withDirectories(items: readonly Item[]): readonly Item[] {
    if (this.#options.directories === "implied") return items;
    if (this.#directories.size > 50_000) this.#directories.clear();
    const paths = new Set(items.map(({ path }) => path));
    const ways = items.filter(({ node }) => node !== undefined).flatMap(({ path }) => ancestorsOf(keyOf(path)));
    const missing = [...new Set(ways.map((key) => `${key}/`))].filter(
      (path) => !this.#directories.has(path) && !paths.has(path),
    );
    return [...missing.map((path) => ({ path, node: directory(path) })), ...items];
  }

  async #writeBatch(items: readonly Item[]): Promise<void> {
    const target = this.#target;
    const state = this.#state;
    for (let tries = 0; ; tries++) {
      const deleted = new Set(items.filter(({ node }) => node === undefined).map(({ path }) => path));
      const keysOnly = (path: string): boolean => deleted.has(path) && !state.isDoubtful(path);
      const found = await target.find(
        items.map(({ path }) => path),
        keysOnly,
      );
      const limit = pLimit(atOnce);
      const planned = await Promise.all(items.map((item) => limit(() => this.#plan(item, found.get(item.path)))));
      const changes = planned.filter((change) => change !== undefined);
      if (changes.length === 0 || (await this.#commit(changes))) {
        this.counts.equal += items.length - changes.length;
        for (const { path, node } of items) if (node?.dir === true) this.#directories.add(path);
        return;
      }
      if (tries === maxTries) throw new CommandFailed("v3 keys change faster than they can be compared");
    }
  }

  /** What is to be done at a path; undefined for nothing. */
  async #plan(item: Item, kv: KeyValue | undefined): Promise<Change | undefined> {
    const { path, node } = item;
    const state = this.#state;
    const keeper = this.#keeper;
    if (node === undefined) keeper?.forget(path);
    if (kv === undefined) return node === undefined ? undefined : this.#put(node, item, kv);
    const isOld = kv.modRevision <= state.firstRevision;
    const isOurs = state.isOurs(path, kv.modRevision, kv.value) || (isOld && kv.value === node?.value);
    if (node !== undefined && (await this.#isAsItShould(node, item, kv, isOurs))) {
      this.conflicts.delete(path);
      return undefined;
    }
    if (isOurs || (node !== undefined && this.#options.overwrite && isOld)) {
      this.conflicts.delete(path);
      return node === undefined ? { path, kv, value: undefined, ttl: undefined } : this.#put(node, item, kv);
    }
    keeper?.forget(path);
    this.conflicts.add(path);
    return undefined;
  }

  #put(node: KeyNode, { path }: Item, kv: KeyValue | undefined): Change {
    const keeper = this.#keeper;
    if (node.dir) return { path, kv, value: "", ttl: undefined };
    const { value } = node;
    const ttl = ttlOf(node);
    if (ttl === undefined) {
      keeper?.forget(path);
      return { path, kv, value, ttl: undefined };
    }
    return { path, kv, value, ttl: Math.max(ttl, keeper === undefined ? 1 : shortestKept) };
  }

  async #isAsItShould(node: KeyNode, item: Item, kv: KeyValue, isOurs: boolean): Promise<boolean> {
    const keeper = this.#keeper;
    // a marker counts whatever its value is
    if (node.dir) return true;
    const ttl = ttlOf(node);
    if (kv.value !== node.value || (ttl === undefined) !== (kv.lease === "0")) return false;
    if (ttl === undefined || !isOurs) return true;
    if (item.isEvent === true) return false;
    const left = await (keeper === undefined ? this.#target.timeLeft(kv.lease) : this.#target.keepAlive(kv.lease));
    if (left === undefined || left < ttl - slack) return false;
    keeper?.keep(item.path, kv.lease, left);
    return true;
  }

  /** @returns false if another writer was faster, and the batch must be compared again */
  async #commit(changes: readonly Change[]): Promise<boolean> {
    const target = this.#target;
    const state = this.#state;
    const mortal = changes.filter(({ ttl }) => ttl !== undefined);
    const granted = await target.grant(mortal.map(({ ttl = 0 }) => ttl));
    const leases = new Map(mortal.map(({ path }, i) => [path, granted[i]]));
    const compare: CompareOp[] = [];
    const success: Op[] = [];
    const values = new Map<string, string>();
    for (const { path, kv, value } of changes) {
      const key = target.keyOf(path);
      compare.push(kv === undefined ? absent({ key }) : modifiedAt(key, kv.modRevision));
      success.push(value === undefined ? remove({ key }) : put(key, value, { lease: leases.get(path)?.id }));
      if (value !== undefined) values.set(path, value);
    }
    state.begin(values);
    try {
      const { succeeded, header } = await target.write({ compare, success });
      if (!succeeded) return false;
      state.commit(values, header.revision);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      // a lease ran out before it was used
      if (error.code === grpcCode.notFound) return false;
      throw new CommandFailed(`v3 refused ${this.#named(changes)}: ${error.message}`);
    }
    for (const [path, lease] of leases) if (lease !== undefined) this.#keeper?.keep(path, lease.id, lease.ttl);
    this.counts.written += values.size;
    this.counts.deleted += changes.length - values.size;
    return true;
  }

  #named([first, ...others]: readonly Change[]): string {
    const more = others.length === 0 ? "" : ` and ${String(others.length)} more`;
    return `to write ${printable(first?.path ?? "")}${more}`;
  }
}

/** The v2 key of a path. */
export function keyOf(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : path;
}

function directory(path: string): KeyNode {
  return { key: keyOf(path), value: "", dir: true, nodes: [], createdIndex: 0, modifiedIndex: 0 };
}
