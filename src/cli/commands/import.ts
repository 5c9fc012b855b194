import { isNodeExist, KeysAPI } from "../../core/index.js";
import type { Command } from "../command.js";
import { CommandFailed } from "../io.js";
import { linesOf } from "../lines.js";
import { Progress } from "../progress.js";

/** How many keys are written at once. */
const width = 32;

interface Entry {
  readonly key: string;
  /** Undefined for a directory. */
  readonly value: string | undefined;
  readonly ttl: number | undefined;
}

/** `etcd2 import` */
export const importCommand: Command = {
  summary: "write the keys of an export, from stdin",
  usage: "",
  options: {},
  help: {},
  examples: ["etcd2 import < backup.jsonl", "gunzip < app.jsonl.gz | etcd2 import"],
  args: { min: 0, max: 0 },
  run: async ({ io, out, signal, connect }) => {
    const keys = new KeysAPI(await connect());
    const progress = new Progress(io, { phase: "import", json: out.json ? io.stdout : undefined });
    const writing = new Set<Promise<void>>();
    let failure: { readonly error: unknown } | undefined;
    let number = 0;
    try {
      for await (const line of linesOf(io.stdin, signal)) {
        number++;
        if (line.trim() === "") continue;
        const entry = parse(line, number);
        while (writing.size >= width) await Promise.race(writing);
        if (failure !== undefined) break;
        const write: Promise<void> = put(keys, entry, signal)
          .then(
            () => {
              progress.step(entry.key);
            },
            (error: unknown) => {
              failure ??= { error };
            },
          )
          .finally(() => writing.delete(write));
        writing.add(write);
      }
    } catch (error) {
      failure ??= { error };
    }
    await Promise.all(writing);
    signal.throwIfAborted();
    if (failure !== undefined) {
      progress.clear();
      io.stderr.write(`etcd2: ${String(progress.done)} keys were written; run the import again to go on\n`);
      throw failure.error;
    }
    progress.end(0);
    return undefined;
  },
};

async function put(keys: KeysAPI, { key, value, ttl }: Entry, signal: AbortSignal): Promise<void> {
  // writing it again means the same
  if (value !== undefined) {
    await keys.set(key, value, { ttl, resend: true, noValueOnSuccess: true, signal });
    return;
  }
  try {
    await keys.create(key, "", { dir: true, ttl, signal });
  } catch (error) {
    if (!isNodeExist(error)) throw error;
  }
}

/** @throws {CommandFailed} naming the line; its text is not quoted, since values may be secret */
function parse(line: string, number: number): Entry {
  const entry = decoded(line);
  if (typeof entry !== "object" || entry === null) return refuse(number, "a JSON object");
  const { key, value, dir, ttl } = entry as Partial<Record<"key" | "value" | "dir" | "ttl", unknown>>;
  if (typeof key !== "string") return refuse(number, 'an object with "key"');
  if (ttl !== undefined && typeof ttl !== "number") return refuse(number, 'an object whose "ttl" is a number');
  // a key that was about to expire when it was exported
  const left = ttl === undefined ? undefined : Math.max(1, Math.ceil(ttl));
  if (dir === true) return { key, value: undefined, ttl: left };
  return typeof value === "string" ? { key, value, ttl: left } : refuse(number, 'an object with "value" or "dir"');
}

function decoded(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}

function refuse(number: number, wanted: string): never {
  throw new CommandFailed(`line ${String(number)} is not ${wanted}`);
}
