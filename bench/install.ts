import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildGo } from "../integration/go-client.js";
import { atExit, capture, npm, projectRoot, say, ScriptError } from "../scripts/run.mjs";

/** Holds everything that the bench downloads or builds. */
export const benchCache = join(projectRoot, ".cache", "bench");

const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: { readonly undici: string };
};

/**
 * What is installed, each entry into its own folder outside this package's dependencies: other clients of the v2 API, and,
 * to measure their size, the dependencies of this package without and with undici.
 */
const packages = {
  "node-etcd": ["node-etcd@7"],
  etcdjs: ["etcdjs@2"],
  etcd2: listOf(dependencies),
  "etcd2-undici": listOf({ ...dependencies, undici: peerDependencies.undici }),
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type PackagesName = keyof typeof packages;

/**
 * Installs what is missing.
 *
 * @throws {ScriptError} npm failed
 */
export async function installPackages(): Promise<void> {
  await Promise.all(Object.entries(packages).map(([name, list]) => install(name, list)));
}

/** The folder where a set of packages was installed; they can be resolved from there. */
export function packagesFolder(name: PackagesName): string {
  return join(benchCache, name);
}

/**
 * Installs packages into their own folder below the cache, unless an earlier run installed exactly these.
 *
 * @throws {ScriptError} npm failed
 */
export async function install(name: string, list: readonly string[]): Promise<void> {
  const folder = join(benchCache, name);
  // Written last: an interrupted install starts over.
  const stamp = join(folder, "installed.json");
  const wanted = JSON.stringify(list);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: `bench-${name}`, private: true }));
  say(`bench: npm install ${list.join(" ")}`);
  const problem = await npmInstall(["--prefix", folder, ...list], folder);
  if (problem !== undefined) throw new ScriptError(`npm install ${list.join(" ")}: ${problem}`);
  writeFileSync(stamp, wanted);
}

/** Resolves to why it failed, if it did. */
function npmInstall(args: readonly string[], cwd: string): Promise<string | undefined> {
  const [command, ...all] = npm("install", "--ignore-scripts", "--no-save", "--no-audit", "--no-fund", ...args);
  return new Promise((resolve) => {
    const child = execFile(command, all, { cwd }, (error, _, stderr) => {
      forget();
      // npm's first line is an error code, the last one says where its log is
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

function listOf(ranges: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(ranges).map(([name, range]) => `${name}@${range}`);
}

const sharedMemory = "/dev/shm";
/** etcd's log of a whole run, with room to spare. In a container /dev/shm often has only 64 MB. */
const neededBytes = 2 * 2 ** 30;

/** A folder that keeps files in memory, or undefined when this machine has none that is large enough. */
export function memoryFolder(): string | undefined {
  if (!existsSync(sharedMemory)) return undefined;
  const { bavail, bsize } = statfsSync(sharedMemory);
  return bavail * bsize >= neededBytes ? sharedMemory : undefined;
}

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
