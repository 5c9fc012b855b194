import { join } from "node:path";
import { capture, projectRoot, ScriptError } from "../scripts/run.mjs";
import { buildGo } from "../scripts/servers/go.mjs";

/** The built worker, or why there is none. `what` names the version of Go. */
export type GoWorker = { readonly program: string; readonly what: string } | { readonly problem: string };

/** Builds the worker that uses etcd's own v2 client for Go. */
export function goWorker(): GoWorker {
  try {
    const program = buildGo("bench-worker", join(projectRoot, "bench", "go", "main.go"));
    return { program, what: `${capture(program, ["version"]).stdout.trim()} with etcd's v2 client` };
  } catch (error) {
    if (error instanceof ScriptError) return { problem: error.message };
    throw error;
  }
}
