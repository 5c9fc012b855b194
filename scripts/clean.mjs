// Removes what the build made.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { projectRoot, runMain } from "./run.mjs";

/** Removes dist, so that nothing compiled from a file that is gone stays behind. */
export function clean() {
  rmSync(join(projectRoot, "dist"), { recursive: true, force: true });
}

runMain(import.meta.url, async () => {
  clean();
});
