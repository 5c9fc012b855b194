import { printable } from "../progress.js";
import { compare, differenceOf, type Difference, type Pair } from "./compare.js";
import type { Job } from "./job.js";
import { batchKeys, keyOf } from "./writer.js";

/** How many differences are named. */
const named = 100;

const words: Readonly<Record<Difference, string>> = {
  missing: "v3 does not have it",
  value: "v3 has another value",
  ttl: "only one of them has a TTL",
  extra: "only v3 has it",
};

/** What a comparison found. */
export interface Verified {
  /** How many files v2 has. */
  readonly files: number;
  /** How many paths differ. */
  readonly differences: number;
  /** Of v2, when the comparison began. */
  readonly index: number;
}

/**
 * Whether a pair was found equal before, and v2 has not changed it since: v3 may have moved on.
 *
 * @param verifiedIndex of the last comparison without a difference; 0: there was none
 */
export function wasVerified({ entry }: Pair, verifiedIndex: number): boolean {
  return verifiedIndex > 0 && (entry === undefined || entry.node.modifiedIndex <= verifiedIndex);
}

/**
 * Compares both stores, and prints what they differ in. Both should be at rest.
 *
 * @param accepts differences that do not count
 */
export async function verify(job: Job, accepts: (pair: Pair) => boolean = () => false): Promise<Verified> {
  const { source, target, roots, options, out } = job;
  const counts = { files: 0, differences: 0 };
  let doubtful: string[] = [];
  const progress = job.begin("verify", () => ({ total: job.total }));
  // a key that expired between two reads is not a difference: compared once more, one key at a time
  const lookAgain = async (): Promise<void> => {
    const found = await target.find(doubtful, () => false);
    for (const path of doubtful) {
      const node = await source.read(keyOf(path), index);
      const entry = node?.dir === path.endsWith("/") ? { path, node } : undefined;
      const kv = found.get(path);
      if ((entry === undefined && kv === undefined) || accepts({ path, entry, kv })) continue;
      const difference = differenceOf({ path, entry, kv }, options);
      if (difference === undefined) continue;
      counts.differences++;
      if (counts.differences > named) continue;
      progress.clear();
      await out.line(`${printable(path)}: ${words[difference]}`, { key: path, difference });
    }
    doubtful = [];
  };
  const { index } = await source.place(options.prefix);
  try {
    for (const root of roots)
      for await (const pair of compare(source, target, root, index)) {
        if (pair.entry?.node.dir === false) counts.files++;
        progress.step(pair.path);
        if (differenceOf(pair, options) === undefined) continue;
        doubtful.push(pair.path);
        if (doubtful.length === batchKeys) await lookAgain();
      }
    if (doubtful.length > 0) await lookAgain();
  } catch (error) {
    progress.clear();
    throw error;
  }
  progress.end();
  return { ...counts, index };
}
