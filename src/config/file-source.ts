import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { log } from "../util/log.js";
import {
  badArgument,
  requireFunction,
  requireMs,
  requireOptions,
  requireSignal,
  requireText,
} from "../util/validate.js";
import { DirectoryWatch } from "./directory-watch.js";
import { ConfigError } from "./errors.js";
import { decodeFile } from "./file-format.js";
import { requireSink } from "./require-sink.js";
import { sameItems } from "./same-items.js";
import { SourceLoop, type RunningLoop } from "./source-loop.js";
import type { Endpoints, EndpointsUpdate, Service, ServiceUpdate, UpdateSink, Warning } from "./types.js";

export interface ConfigSourceFileOptions {
  /** The file; need not exist yet. */
  readonly path: string;
  readonly services: UpdateSink<ServiceUpdate>;
  readonly endpoints: UpdateSink<EndpointsUpdate>;
  /** How often the file is read although nothing told of a change, in ms: some file systems tell nothing. @default 5000 */
  readonly pollMs?: number | undefined;
  /** Closes the source when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Told when the file can no longer be used; what it said last stays. If it throws, that ends the source. */
  readonly onWarning?: ((warning: Warning) => void) | undefined;
}

/**
 * Feeds a file into two configs: `{"Services":[{"Name":"web","Port":80,"Endpoints":["10.0.0.1:8080"]}]}`. It is read at
 * once, when the system tells of a change in its directory, and every `pollMs`. Replace it by renaming: a file that is
 * half written is one that cannot be used.
 */
export class ConfigSourceFile implements AsyncDisposable {
  readonly #options: ConfigSourceFileOptions;
  readonly #path: string;
  readonly #loop: SourceLoop;
  #bytes: Buffer | undefined;
  #failure: string | undefined;
  #services: readonly Service[] | undefined;
  #endpoints: readonly Endpoints[] | undefined;

  /** @throws {UsageError} for a bad option */
  constructor(options: ConfigSourceFileOptions) {
    requireFileOptions(options);
    this.#options = { ...options };
    this.#path = resolve(options.path);
    this.#loop = new SourceLoop("source", options.signal, (loop) => this.#run(loop));
  }

  /** Resolves when all handlers have had what the file says. Rejects when the source ends before that. */
  get synced(): Promise<void> {
    return this.#loop.synced;
  }

  /** Resolves when the source is over: to undefined after `close` or an abort, else to the error that ended it, such as a closed sink. */
  get closed(): Promise<unknown> {
    return this.#loop.closed;
  }

  /** Ends the source; what it delivered stays in the configs. Idempotent. */
  close(): Promise<void> {
    return this.#loop.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run({ signal, synced, fail }: RunningLoop): Promise<never> {
    const directory = new DirectoryWatch(dirname(this.#path));
    try {
      for (;;) {
        // before the read: what changes after it is told
        directory.open();
        const isFirst = this.#services === undefined;
        const { services, endpoints } = await this.#read(signal);
        // not waited for: a slow handler delays neither the other kind nor the next read
        const sent = Promise.all([
          services && this.#options.services.send({ op: "set", services }),
          endpoints && this.#options.endpoints.send({ op: "set", endpoints }),
        ]);
        sent.then(
          isFirst && services !== undefined
            ? () => {
                synced();
              }
            : () => undefined,
          fail,
        );
        await directory.change(this.#options.pollMs ?? 5_000, signal);
      }
    } finally {
      directory.close();
    }
  }

  /** What is new; nothing where the bytes are the same as before, or cannot be used. */
  async #read(signal: AbortSignal): Promise<FileContent> {
    let bytes: Buffer;
    try {
      bytes = await readFile(this.#path, { signal });
    } catch (error) {
      signal.throwIfAborted();
      // so that it is news when it comes back
      this.#bytes = undefined;
      this.#warn("the file cannot be read", error);
      return {};
    }
    if (this.#bytes?.equals(bytes) === true) return {};
    this.#bytes = bytes;
    try {
      const { services, endpoints } = decodeFile(bytes.toString(), this.#path);
      this.#failure = undefined;
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

  /** Once for each failure, not once for each try. */
  #warn(message: string, error: unknown): void {
    const failure = error instanceof Error ? error.message : "";
    if (this.#failure === failure) return;
    this.#failure = failure;
    log.config("%s: %s", this.#path, message);
    this.#options.onWarning?.({ message, key: this.#path, error });
  }
}

type FileContent = Partial<ReturnType<typeof decodeFile>>;

function same<T extends Service | Endpoints>(before: readonly T[] | undefined, now: readonly T[]): boolean {
  return before !== undefined && sameItems(before, now);
}

function requireFileOptions(options: ConfigSourceFileOptions): void {
  requireOptions("options", options, optionNames);
  const { path, services, endpoints, pollMs = 5_000, signal, onWarning } = options;
  requireText("options.path", path);
  if (path === "") badArgument("options.path must not be empty");
  requireSink("options.services", services);
  requireSink("options.endpoints", endpoints);
  requireMs("options.pollMs", pollMs);
  requireSignal("options.signal", signal);
  requireFunction("options.onWarning", onWarning);
}

const optionNames: ReadonlySet<string> = new Set<keyof ConfigSourceFileOptions>([
  "path",
  "services",
  "endpoints",
  "pollMs",
  "signal",
  "onWarning",
]);
