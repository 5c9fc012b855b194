import { join } from "node:path";
import { capture, ScriptError } from "../scripts/run.mjs";
import { benchCache, install } from "./install.js";

/** A Node of another major version, from npm, which has its binaries for each platform; or why there is none. */
export async function otherNode(
  major: number,
): Promise<{ readonly bin: string; readonly version: string } | { readonly problem: string }> {
  const name = `node-${process.platform}-${process.arch}`;
  const folder = `node-${String(major)}`;
  try {
    await install(folder, [`${name}@${String(major)}`]);
  } catch (error) {
    if (error instanceof ScriptError) return { problem: error.message };
    throw error;
  }
  const bin = join(benchCache, folder, "node_modules", name, "bin", "node");
  const { ok, stdout, reason } = capture(bin, ["--version"], { timeoutMs: 15_000 });
  return ok ? { bin, version: stdout.trim().replace(/^v/, "") } : { problem: `it does not run here: ${reason}` };
}
