import { CommandFailed } from "../io.js";
import type { Progress } from "../progress.js";
import { compare, differenceOf, type Pair } from "./compare.js";
import type { Job } from "./job.js";
import { Revisions } from "./revisions.js";
import { ttlOf } from "./source.js";
import { batchKeys, batchSize, type Item, type Writer } from "./writer.js";

/**
 * Makes v3 what v2 is, in one pass through both. A pass that was interrupted simply starts again.
 *
 * @param atLeast the v2 tree is no older than this index
 * @throws {CommandFailed} v2 is empty now, although keys were copied from it: more likely a mistake than an intention
 */
export async function copy(job: Job, writer: Writer, atLeast: number): Promise<void> {
  const progress = job.begin("copy", () => ({ total: job.total, conflicts: writer.conflicts.size }));
  try {
    await copyAll(job, writer, progress, atLeast);
  } catch (error) {
    progress.clear();
    throw error;
  }
  progress.end();
}

async function copyAll(job: Job, writer: Writer, progress: Progress, atLeast: number): Promise<void> {
  const { target, state, roots, options } = job;
  if (!state.isNew && (await isEmpty(job, atLeast)))
    throw new CommandFailed(
      `v2 has no keys, although keys were copied from it before: nothing was deleted in v3. If that is right, delete ${state.file}`,
    );
  writer.forgetDirectories();
  const startRevision = target.revision;
  const ours = new Revisions();
  const equal = new Set<number>();
  const different = new Set<number>();
  const visit = ({ path, entry, kv }: Pair): void => {
    progress.step(path);
    if (kv === undefined) return;
    const { modRevision } = kv;
    if (state.isOurs(path, modRevision, kv.value)) ours.add(modRevision);
    else if (modRevision <= state.firstRevision)
      (differenceOf({ path, entry, kv }, options) === undefined ? equal : different).add(modRevision);
  };
  for (const root of roots) await scanTree(job, writer, root, atLeast, visit);
  // what was equal before the migration began is as good as copied, unless the transaction wrote other things, too
  for (const revision of equal) if (!different.has(revision)) ours.add(revision);
  for (const [first, last] of state.ranges)
    for (let each = Math.max(first, startRevision + 1); each <= last; each++) ours.add(each);
  state.keepOnly(ours);
  state.index = atLeast;
  state.save();
}

/** Makes v3 what v2 is, at and below one key. @param visit called with each path before it is written */
export async function scanTree(
  { source, target, options }: Job,
  writer: Writer,
  root: string,
  atLeast: number,
  visit: (pair: Pair) => void = () => undefined,
): Promise<void> {
  let batch: Item[] = [];
  let size = 0;
  for await (const pair of compare(source, target, root, atLeast)) {
    visit(pair);
    const { path, entry, kv } = pair;
    const node = entry?.node;
    if (node !== undefined && isDone(pair, options.directories)) {
      writer.counts.equal++;
      continue;
    }
    const length = node?.value.length ?? 0;
    if (batch.length === batchKeys || size + length > batchSize) {
      await writer.write(batch);
      [batch, size] = [[], 0];
    }
    batch.push({ path, node });
    size += length + (kv?.value.length ?? 0);
  }
  await writer.write(batch);
}

/** Whether nothing is to be done at a path, which then need not be read again. */
function isDone({ path, entry, kv }: Pair, directories: "kept" | "implied"): boolean {
  const node = entry?.node;
  if (node === undefined) return false;
  if (path.endsWith("/")) return kv !== undefined || (directories === "implied" && node.nodes.length > 0);
  return kv !== undefined && ttlOf(node) === undefined && kv.lease === "0" && kv.value === node.value;
}

async function isEmpty({ source, roots }: Job, atLeast: number): Promise<boolean> {
  for (const root of roots) {
    const node = await source.read(root, atLeast);
    if (node !== undefined && (!node.dir || node.nodes.length > 0)) return false;
  }
  return true;
}
