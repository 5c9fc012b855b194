import type { KeysAPI } from "../src/core/index.js";

export const smallKey = "/bench/small";
export const watchedKey = "/bench/watched";
export const idleKey = "/bench/idle";
export const listDir = "/bench/list";

const listed = 1_000;

/** Writes what will be read. */
export async function writeTestData(keys: KeysAPI): Promise<void> {
  await keys.set(smallKey, "v".repeat(64));
  for (let i = 0; i < listed; i++) await keys.set(`${listDir}/key-${String(i)}`, "v".repeat(32));
}
