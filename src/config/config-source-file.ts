import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { safeCallback } from "../util/callback.js";
import { messageOf } from "../util/error-like.js";
import { optional, requireFields, type Check, type Checks } from "../util/fields.js";
import { Handle, type Running } from "../util/handle.js";
import { log } from "../util/log.js";
import { StalledWarning } from "../util/stalled-warning.js";
import { badArgument, requireFunction, requireMs, requireSignal, requireText } from "../util/validate.js";
import { DirectoryWatch } from "./directory-watch.js";
import { ConfigError } from "./errors.js";
import { decodeFile, type FileContent } from "./file-format.js";
import { requireSink } from "./require-sink.js";
import { sameItems } from "./same-items.js";
import type { Endpoints, EndpointsUpdate, Service, ServiceUpdate, UpdateSink, Warning } from "./types.js";

/** How to feed configs from a file. */
export interface ConfigSourceFileOptions {
  /** The path of the file; it need not exist yet. */
  readonly path: string;
  /** Where the services go: `channel()` of a `ServiceConfig`. */
  readonly services: UpdateSink<ServiceUpdate>;
  /** Where the endpoints go: `channel()` of an `EndpointsConfig`. */
  readonly endpoints: UpdateSink<EndpointsUpdate>;
  /** How often the file is read without a notice from the system, in ms: some file systems give none. @default 5000 */
  readonly pollMs?: number | undefined;
  /** Closes the source when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Called when the file cannot be used any more; its last content stays. */
  readonly onWarning?: ((warning: Warning) => void) | undefined;
}

/**
 * Feeds a file into two configs: `{"Services":[{"Name":"web","Port":80,"Endpoints":["10.0.0.1:8080"]}]}`. The file is read
 * at once, when the system reports a change in its directory, and every `pollMs`. Replace it by renaming: a file that is
 * half written cannot be used.
 */
export class ConfigSourceFile implements AsyncDisposable {
  readonly #options: ConfigSourceFileOptions;
  readonly #path: string;
  readonly #warnUser: (warning: Warning) => void;
  readonly #stalled: StalledWarning;
  readonly #handle: Handle;
  #bytes: Buffer | undefined;
  #failure: string | undefined;
  #services: readonly Service[] | undefined;
  #endpoints: readonly Endpoints[] | undefined;

  /** @throws {UsageError} for a bad option */
  constructor(options: ConfigSourceFileOptions) {
    requireFields("options", options, fileChecks);
    this.#options = { ...options };
    this.#path = resolve(options.path);
    this.#warnUser = safeCallback("options.onWarning", options.onWarning);
    this.#stalled = new StalledWarning({
      owner: this,
      what: `the source of ${this.#path}`,
      hint: "pass onWarning to ConfigSourceFile to handle this",
      isHeard: options.onWarning !== undefined,
    });
    this.#handle = new Handle("the source", { signal: options.signal, run: (running) => this.#run(running) });
  }

  /** Resolves when all handlers have had the content of the file. Rejects if the source ends before. */
  get synced(): Promise<void> {
    return this.#handle.ready;
  }

  /** Resolves when the source is over: to undefined after `close()` or an abort, else to the error that ended it, such as a closed sink. */
  get closed(): Promise<unknown> {
    return this.#handle.closed;
  }

  /** Ends the source; what it has delivered stays in the configs. Idempotent. */
  close(): Promise<void> {
    return this.#handle.close();
  }

  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run({ signal, ready, fail }: Running<void>): Promise<never> {
    const directory = new DirectoryWatch(dirname(this.#path));
    this.#stalled.start();
    try {
      for (;;) {
        // before the read: a change after it is reported
        directory.open();
        const isFirst = this.#services === undefined;
        const { services, endpoints } = await this.#read(signal);
        // not waited for: a slow handler delays neither the other kind nor the next read
        const sent = Promise.all([
          services && this.#options.services.send({ op: "set", services }),
          endpoints && this.#options.endpoints.send({ op: "set", endpoints }),
        ]);
        const isSynced = isFirst && services !== undefined;
        sent.then(() => {
          if (isSynced) ready();
        }, fail);
        await directory.change(this.#options.pollMs ?? 5_000, signal);
      }
    } finally {
      this.#stalled.end();
      directory.close();
    }
  }

  /** Returns the parts that are new: nothing if the bytes are the same as before, or cannot be used. */
  async #read(signal: AbortSignal): Promise<Partial<FileContent>> {
    let bytes: Buffer;
    try {
      bytes = await readFile(this.#path, { signal });
    } catch (error) {
      signal.throwIfAborted();
      // so that it counts as new when it is back
      this.#bytes = undefined;
      this.#warn("the file cannot be read", error);
      return {};
    }
    if (this.#bytes?.equals(bytes) === true) return {};
    this.#bytes = bytes;
    try {
      const { services, endpoints } = decodeFile(bytes.toString(), this.#path);
      this.#failure = undefined;
      this.#stalled.end();
      const news = {
        ...(!same(this.#services, services) && { services }),
        ...(!same(this.#endpoints, endpoints) && { endpoints }),
      };
      this.#services = services;
      this.#endpoints = endpoints;
      return news;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#warn("the file cannot be used", error);
      return {};
    }
  }

  /** Warns once for each failure, not once for each attempt. */
  #warn(message: string, error: unknown): void {
    const failure = messageOf(error);
    this.#stalled.failed(error);
    if (this.#failure === failure) return;
    this.#failure = failure;
    log.config("%s: %s", this.#path, message);
    this.#warnUser({ message, key: this.#path, error });
  }
}

function same<T extends Service | Endpoints>(before: readonly T[] | undefined, now: readonly T[]): boolean {
  return before !== undefined && sameItems(before, now);
}

const requirePath: Check = (what, value) => {
  requireText(what, value);
  if (value === "") badArgument(`${what} must not be empty`);
};

const fileChecks: Checks<ConfigSourceFileOptions> = {
  path: requirePath,
  services: requireSink,
  endpoints: requireSink,
  pollMs: optional(requireMs),
  signal: requireSignal,
  onWarning: requireFunction,
};
