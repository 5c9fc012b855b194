import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { BadUsage } from "../io.js";

/**
 * Makes sure that only one process works with a state file: otherwise one that follows would copy what another one
 * purges.
 *
 * @returns ends it
 * @throws {BadUsage} another process works with it
 */
export function lockState(file: string): () => void {
  const lock = `${file}.lock`;
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST")
        throw new BadUsage(`--state: ${error instanceof Error ? error.message : "cannot be written"}`);
    }
    const holder = holderOf(lock);
    if (holder !== undefined)
      throw new BadUsage(`another etcd2 migrate works with ${file}: process ${String(holder)}, says ${lock}`);
    // of a process that was killed
    rmSync(lock, { force: true });
  }
  return () => {
    rmSync(lock, { force: true });
  };
}

/** The process that has the lock; undefined if it is gone. */
function holderOf(lock: string): number | undefined {
  try {
    const pid = Number(readFileSync(lock, "utf8"));
    // in a container each run may have the same number
    if (!Number.isSafeInteger(pid) || pid <= 0 || pid === process.pid) return undefined;
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    // a process of another user
    return (error as NodeJS.ErrnoException).code === "EPERM" ? 0 : undefined;
  }
}
