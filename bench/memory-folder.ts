import { existsSync, statfsSync } from "node:fs";

const folder = "/dev/shm";
/** etcd's log of a whole run, with room to spare. In a container that folder is often 64 MB. */
const neededBytes = 2 * 2 ** 30;

/** Where files are kept in memory, if this machine has such a place and it is large enough. */
export function memoryFolder(): string | undefined {
  if (!existsSync(folder)) return undefined;
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize >= neededBytes ? folder : undefined;
}
