import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { atExit, projectRoot, say, ScriptError } from "../scripts/run.mjs";

/** Whatever the bench fetches or builds. */
export const benchCache = join(projectRoot, ".cache", "bench");

/**
 * Installs packages into a folder of their own below the cache, unless just these are there from an earlier run.
 *
 * @throws {ScriptError} npm could not
 */
export async function install(name: string, packages: readonly string[]): Promise<void> {
  const folder = join(benchCache, name);
  // written last: an install that was interrupted is begun anew
  const stamp = join(folder, "installed.json");
  const wanted = JSON.stringify(packages);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: `bench-${name}`, private: true }));
  say(`bench: npm install ${packages.join(" ")}`);
  const problem = await npm(
    ["install", "--ignore-scripts", "--no-save", "--no-audit", "--no-fund", "--prefix", folder, ...packages],
    folder,
  );
  if (problem !== undefined) throw new ScriptError(`npm install ${packages.join(" ")}: ${problem}`);
  writeFileSync(stamp, wanted);
}

/** Resolves to why it failed, if it did. */
function npm(args: readonly string[], cwd: string): Promise<string | undefined> {
  const script = process.env["npm_execpath"];
  const [command, all] = script === undefined ? ["npm", args] : [process.execPath, [script, ...args]];
  return new Promise((resolve) => {
    const child = execFile(command, all, { cwd }, (error, _, stderr) => {
      forget();
      // the first line is a code, the last where there is more to read
      const lines = stderr.split("\n").map((line) => line.replace(/^npm \S+ /, "").trim());
      resolve(
        error === null ? undefined : (lines.find((line) => line !== "" && !line.startsWith("code ")) ?? error.message),
      );
    });
    const forget = atExit(() => {
      child.kill();
    });
  });
}
