// What was fetched once is kept in .cache.
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * Fills a new folder, and moves one file or folder of it into the cache by a rename, since several processes may do so at once.
 *
 * @param {string} target where it is kept
 * @param {{ fill: (folder: string) => string | undefined, file?: string, check: (path: string) => string | undefined }} how
 *   `fill` and `check` return a problem, if any; `file` is where `fill` puts what is kept
 * @returns {string | undefined} why it could not
 */
export function keepInCache(target, { fill, file = basename(target), check }) {
  mkdirSync(dirname(target), { recursive: true });
  const folder = mkdtempSync(join(dirname(target), "new-"));
  try {
    const problem = fill(folder) ?? check(join(folder, file));
    if (problem === undefined) renameSync(join(folder, file), target);
    return problem;
  } catch (error) {
    // a folder cannot replace another one: another process was quicker
    if (!existsSync(target) || check(target) !== undefined) throw error;
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
