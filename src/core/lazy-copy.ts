import type * as FirstCall from "./first-call.js";
import type { KeysAPI } from "./keys.js";
import { load, loaded } from "./load.js";
import { requireMirror, type MirrorOptions } from "./mirror-options.js";
import { requireSignal } from "../util/validate.js";

/** The local copy of a mirror: reads while a caller waits. */
export interface LoadedCopy<File, Update> {
  /** The files by key, without a copy. */
  readonly files: ReadonlyMap<string, File>;
  readonly index: number;
  next(signal: AbortSignal | undefined): Promise<Update>;
  waitFor(index: number, signal: AbortSignal | undefined): Promise<void>;
  resync(): void;
}

/** What a mirror is made of. */
export interface LazyCopyFields<File, Update> {
  readonly keys: KeysAPI;
  readonly key: string;
  readonly options: MirrorOptions;
  /** Makes the copy of what is loaded with the first call. */
  readonly make: (parts: typeof FirstCall, options: MirrorOptions) => LoadedCopy<File, Update>;
}

/** How long a mirror waits for a file descriptor with which its code can be loaded, in ms: longer, and who waits is told. */
const patienceMs = 5_000;

/** The local copy of a mirror. Empty until a call that reads has loaded and made it. */
export class LazyCopy<File, Update> implements LoadedCopy<File, Update> {
  readonly #fields: Pick<LazyCopyFields<File, Update>, "options" | "make">;
  #copy: LoadedCopy<File, Update> | undefined;

  /** Does no I/O. @throws {UsageError} for bad arguments */
  constructor({ keys, key, options, make }: LazyCopyFields<File, Update>) {
    requireMirror(keys, key, options);
    // what the caller changes in the options later does not count
    this.#fields = { options: { ...options }, make };
  }

  get files(): ReadonlyMap<string, File> {
    return this.#copy?.files ?? new Map<string, File>();
  }

  get index(): number {
    return this.#copy?.index ?? 0;
  }

  async next(signal: AbortSignal | undefined): Promise<Update> {
    const copy = this.#loaded() ?? (await this.#load(signal));
    return copy.next(signal);
  }

  async waitFor(index: number, signal: AbortSignal | undefined): Promise<void> {
    const copy = this.#loaded() ?? (await this.#load(signal));
    return copy.waitFor(index, signal);
  }

  /** Without a copy there is nothing that could be read again. */
  resync(): void {
    this.#copy?.resync();
  }

  /** The copy, if its code is loaded. */
  #loaded(): LoadedCopy<File, Update> | undefined {
    const { options, make } = this.#fields;
    const parts = loaded();
    return (this.#copy ??= parts && make(parts, options));
  }

  /** The process may have no file descriptor left for a moment: a mirror outlives that as it does an outage. */
  async #load(signal: AbortSignal | undefined): Promise<LoadedCopy<File, Update>> {
    requireSignal("signal", signal);
    const { options, make } = this.#fields;
    const parts = await load({ retryForMs: patienceMs, signal });
    return (this.#copy ??= make(parts, options));
  }
}
