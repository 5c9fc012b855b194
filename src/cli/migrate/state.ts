import { createHash } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { BadUsage } from "../io.js";
import { Revisions } from "./revisions.js";

/** What a migration is about: another one needs a state file of its own. */
export interface Scope {
  /** Cluster ids, in hexadecimal. */
  readonly from: string;
  readonly to: string;
  readonly prefix: string;
  readonly namespace: string;
  readonly directories: string;
  readonly also: readonly string[];
}

/** How far a migration is. "purge": keys of the v2 tree may be gone, and nothing must be copied from it any more. */
export type Phase = "copy" | "follow" | "purge";

interface Saved extends Scope {
  readonly format: 1;
  readonly phase: Phase;
  readonly index: number;
  readonly verifiedIndex: number;
  readonly firstRevision: number;
  readonly revisions: readonly (readonly [number, number])[];
  readonly intents: readonly (readonly [path: string, hash: string])[];
}

/**
 * What must survive the process: which keys of the v3 store this migration has written. A key is ours as long as its
 * mod_revision is one of our transactions'; any other write changes it. The values of the transaction under way
 * are noted before it is sent, so that it is known as ours even if its response was never seen.
 */
export class State {
  readonly scope: Scope;
  readonly file: string;
  /** The revision of the v3 store before anything was written. */
  readonly firstRevision: number;
  phase: Phase;
  /** The v2 index up to which changes have been applied. */
  index: number;
  /** The v2 index at which a comparison found no difference: what is older may be deleted. 0: there was none. */
  verifiedIndex: number;
  #revisions: Revisions;
  /** Hashes of values that may have been written, by path. */
  #intents = new Map<string, string>();

  private constructor(file: string, scope: Scope, saved: Saved | undefined, revision: number) {
    this.file = file;
    this.scope = scope;
    this.firstRevision = saved?.firstRevision ?? revision;
    this.phase = saved?.phase ?? "copy";
    this.index = saved?.index ?? 0;
    this.verifiedIndex = saved?.verifiedIndex ?? 0;
    this.#revisions = new Revisions(saved?.revisions);
    this.#intents = new Map(saved?.intents);
  }

  /**
   * Reads the state of an earlier run, if there is one.
   *
   * @param revision of the v3 store, for a migration that begins
   * @throws {BadUsage} the file belongs to another migration, or is not a state file
   */
  static open(file: string, scope: Scope, revision: number): State {
    const saved = read(file);
    if (saved !== undefined) requireSame(file, scope, saved);
    return new State(file, scope, saved, revision);
  }

  /** Whether nothing has been written yet. */
  get isNew(): boolean {
    return this.#revisions.size === 0 && this.#intents.size === 0;
  }

  /** The revisions of our transactions: first and last of each range. */
  get ranges(): readonly (readonly [number, number])[] {
    return this.#revisions.ranges;
  }

  /** Whether this migration wrote the key. @param value absent: not known */
  isOurs(path: string, modRevision: number, value?: string): boolean {
    if (this.#revisions.has(modRevision)) return true;
    const intent = this.#intents.get(path);
    if (intent === undefined || value === undefined || hash(value) !== intent) return false;
    this.#revisions.add(modRevision);
    return true;
  }

  /** Whether a transaction of unknown outcome may have written the key. */
  isDoubtful(path: string): boolean {
    return this.#intents.has(path);
  }

  /** Takes note of a transaction before it is sent. */
  begin(values: ReadonlyMap<string, string>): void {
    for (const [path, value] of values) this.#intents.set(path, hash(value));
    this.save();
  }

  /** The transaction was committed at this revision. */
  commit(values: ReadonlyMap<string, string>, revision: number): void {
    this.#revisions.add(revision);
    for (const path of values.keys()) this.#intents.delete(path);
  }

  /** What is in the v3 store is ours, at these revisions only. */
  keepOnly(revisions: Revisions): void {
    this.#revisions = revisions;
  }

  /** Writes the file as a whole. */
  save(): void {
    const { phase, index, verifiedIndex, firstRevision } = this;
    const saved: Saved = {
      format: 1,
      ...this.scope,
      phase,
      index,
      verifiedIndex,
      firstRevision,
      revisions: this.#revisions.ranges,
      intents: [...this.#intents],
    };
    const fresh = `${this.file}.new`;
    const descriptor = openSync(fresh, "w", 0o600);
    try {
      writeFileSync(descriptor, `${JSON.stringify(saved)}\n`);
      // otherwise a machine that loses power may keep the new name without the content
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(fresh, this.file);
  }
}

function hash(value: string): string {
  return createHash("sha256").update(value).digest("base64").slice(0, 22);
}

function read(file: string): Saved | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new BadUsage(`--state: ${error instanceof Error ? error.message : "cannot be read"}`);
  }
  try {
    const saved = JSON.parse(text) as Partial<Saved> | null;
    if (saved?.format === 1 && Array.isArray(saved.revisions) && Array.isArray(saved.intents)) return saved as Saved;
  } catch {
    // the same message as for other content
  }
  throw new BadUsage(`${file} is not the state of a migration`);
}

function requireSame(file: string, scope: Scope, saved: Scope): void {
  const names = ["from", "to", "prefix", "namespace", "directories", "also"] as const;
  for (const name of names) {
    const [was, is] = [String(saved[name]), String(scope[name])];
    if (was === is) continue;
    const what = name === "from" || name === "to" ? `the cluster id of --${name}` : `--${name}`;
    throw new BadUsage(`${file} is the state of another migration: ${what} was ${was}, and is ${is} now`);
  }
}
