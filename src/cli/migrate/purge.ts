import pLimit from "p-limit";
import { EtcdError, EtcdErrorCode, isCompareFailed, isKeyNotFound } from "../../core/index.js";
import { segmentsOf } from "../../v3/layout.js";
import { CommandFailed } from "../io.js";
import { printable } from "../progress.js";
import { compare, differenceOf } from "./compare.js";
import type { Job } from "./job.js";
import { wasVerified } from "./verify.js";
import { batchKeys, keyOf } from "./writer.js";

/** How many keys are deleted at once. */
const atOnce = 16;

/** What was deleted. */
export interface Purged {
  /** How many files. */
  readonly keys: number;
  /** Directories that could not be deleted: there are hidden keys in them. */
  readonly left: readonly string[];
}

/**
 * Deletes what v2 has, each key only as it was when it was compared with v3 just before. Directories go last, and only if
 * nothing is left in them: so hidden keys, which v2 does not list and no option named, are not deleted with them.
 *
 * @param total how many files there are
 * @throws {CommandFailed} something changed meanwhile
 */
export async function purge(job: Job, total: number): Promise<Purged> {
  const { source, target, state, roots, options } = job;
  const progress = job.begin("purge", () => ({ total }));
  const directories: string[] = [];
  const limit = pLimit(atOnce);
  let running: Promise<void>[] = [];
  const { index } = await source.place(options.prefix);
  for (const root of roots)
    for await (const pair of compare(source, target, root, index)) {
      const { path, entry } = pair;
      if (entry === undefined) continue;
      if (differenceOf(pair, options) !== undefined && !wasVerified(pair, state.verifiedIndex))
        throw new CommandFailed(`${printable(path)} has changed since both stores were compared: verify again`);
      if (entry.node.dir) {
        directories.push(keyOf(path));
        continue;
      }
      const { modifiedIndex } = entry.node;
      const removal = limit(async () => {
        await remove(job, path, modifiedIndex);
        progress.step(path);
      });
      // reported when it is awaited
      removal.catch(() => undefined);
      running.push(removal);
      if (running.length < batchKeys) continue;
      await Promise.all(running);
      running = [];
    }
  await Promise.all(running);
  const left: string[] = [];
  // the deepest first, hidden ones among them
  directories.sort((a, b) => segmentsOf(b).length - segmentsOf(a).length);
  for (const key of directories) if (!(await removeDirectory(job, key))) left.push(key);
  progress.end();
  return { keys: progress.done, left };
}

async function remove({ source, signal }: Job, key: string, prevIndex: number): Promise<void> {
  try {
    await source.keys.delete(key, { prevIndex, signal });
  } catch (error) {
    // expired, or the response to an earlier attempt was lost
    if (isKeyNotFound(error)) return;
    if (!isCompareFailed(error)) throw error;
    throw new CommandFailed(`${printable(key)} has changed since both stores were compared: verify again`);
  }
}

/** @returns false if something is left in it */
async function removeDirectory({ source, signal }: Job, key: string): Promise<boolean> {
  try {
    await source.keys.delete(key, { dir: true, signal });
    return true;
  } catch (error) {
    if (isKeyNotFound(error)) return true;
    if (error instanceof EtcdError && error.errorCode === EtcdErrorCode.dirNotEmpty) return false;
    throw error;
  }
}
