import { cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { capture, projectRoot, say } from "../scripts/run.mjs";

/** The worker that uses Go's own v2 client, built where there is Go; undefined where there is neither Go nor one that was built before. */
export function goWorker(): string | undefined {
  const folder = join(projectRoot, ".cache", "bench");
  const program = join(folder, "go-worker");
  if (!capture("go", ["version"]).ok) return existsSync(program) ? program : undefined;
  // a copy: Go writes beside its sources
  const sources = join(folder, "go");
  cpSync(join(projectRoot, "bench", "go"), sources, { recursive: true });
  say("bench: go build");
  for (const args of [["mod", "tidy"], ["build", "-o", program, "."]]) {
    const { ok, reason } = capture("go", args, { cwd: sources });
    if (ok) continue;
    say(`bench: go ${args.join(" ")}: ${reason}`);
    return undefined;
  }
  return program;
}
