import { errorCode } from "./plain-cause.js";

/** Loads modules with the first call, and keeps them. A load that failed is tried again with the next call. */
export function lazy<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined;
  return () => {
    if (loading === undefined) {
      loading = attempt(load);
      loading.catch(() => (loading = undefined));
    }
    return loading;
  };
}

/** Whether a module could not be loaded because the process, or the system, has no file descriptor left. */
export function isOutOfDescriptors(error: unknown): boolean {
  const code = errorCode(error);
  return code === "EMFILE" || code === "ENFILE";
}

async function attempt<T>(load: () => Promise<T>): Promise<T> {
  requireDescriptors();
  try {
    return await load();
  } catch (error) {
    // they may have run out in the meantime: Node then reports that the module does not exist
    requireDescriptors();
    throw error;
  }
}

/** What `import("got")` opens at the same time, with some to spare (Node 20 needs 20 of them, later versions one). */
const descriptorsNeeded = 24;

/**
 * Throws `EMFILE` when there are not enough file descriptors to load a module. Node 20 would remember for good that the module
 * could not be found.
 */
function requireDescriptors(): void {
  // not imported: fs and net, as modules, would take a sixth of this package's import time (2 ms)
  const { closeSync, openSync } = process.getBuiltinModule("node:fs");
  const { devNull } = process.getBuiltinModule("node:os");
  const opened: number[] = [];
  try {
    while (opened.length < descriptorsNeeded) opened.push(openSync(devNull, "r"));
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}
