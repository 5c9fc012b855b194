// What the other scripts share: the project's folder, running programs, steps, and cleanup at any end of the process.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";

/** @typedef {(line: string) => void} Log prints one line of progress */

/** A failure that its message explains in one line, with the remedy. Printed without a stack. */
export class ScriptError extends Error {
  /** @override */
  name = "ScriptError";
}

/** The folder of this project. Searched for upward, since the compiled copies of these scripts are one level deeper. */
export const projectRoot = findProjectRoot();

/** @type {Log} */
export const say = (line) => {
  process.stderr.write(`${line}\n`);
};

/**
 * Runs `main` when its file is the program, not when it is imported. `main` returns the exit code.
 *
 * @param {string} moduleUrl the file's `import.meta.url`
 * @param {() => Promise<number | void>} main
 */
export function runMain(moduleUrl, main) {
  const program = process.argv[1];
  if (program === undefined || !existsSync(program) || realpathSync(program) !== fileURLToPath(moduleUrl)) return;
  if (process.env["npm_lifecycle_event"] !== undefined) endWithParent();
  main().then(
    (code) => {
      process.exitCode = code ?? 0;
    },
    (/** @type {unknown} */ error) => {
      say(error instanceof ScriptError ? error.message : inspect(error));
      process.exitCode = 1;
    },
  );
}

/** npm passes a signal on to the shell that it started us by, and no further: when that shell ends, we do. */
function endWithParent() {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    process.kill(process.pid, "SIGTERM");
  }, 500);
  watch.unref();
}

/**
 * Runs a program with our output and waits for it. Resolves to its exit code, or 128 + n when signal n ended it. A signal that
 * ends us is passed on to it; it is killed if it does not end within 5 s.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv | undefined, asGroup?: boolean | undefined }} [options] `env` is merged over our own; an
 *   undefined value removes one. `asGroup`: such a signal ends whatever the program has started, too
 * @returns {Promise<number>}
 */
export function run(command, args, { env, asGroup = false } = {}) {
  return new Promise((resolve, reject) => {
    const isGroup = asGroup && process.platform !== "win32";
    // No stdin: a program that waits for input would hang a pipeline.
    const child = spawn(command, args, {
      cwd: projectRoot,
      env: { ...process.env, ...env },
      stdio: ["ignore", "inherit", "inherit"],
      detached: isGroup,
    });
    let isEnding = false;
    const kill = (/** @type {NodeJS.Signals} */ signal) => {
      if (isGroup && child.pid !== undefined) killGroup(child.pid, signal);
      else child.kill(signal);
    };
    const forget = atExit(
      (signal) => {
        kill(isEnding ? "SIGKILL" : (signal ?? "SIGTERM"));
        isEnding = true;
      },
      new Promise((ended) => child.once("close", ended)),
    );
    child.once("error", (error) => {
      forget();
      reject(new ScriptError(`cannot run ${command}: ${error.message}`));
    });
    child.once("close", (code, signal) => {
      forget();
      // what it has started may go on without it
      if (isEnding && isGroup) kill("SIGKILL");
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

/**
 * @param {number} leader
 * @param {NodeJS.Signals} signal
 */
function killGroup(leader, signal) {
  try {
    process.kill(-leader, signal);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ESRCH") throw error;
    // all of it has ended
  }
}

/**
 * Runs a program and captures its output.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string | undefined, env?: NodeJS.ProcessEnv | undefined, timeoutMs?: number | undefined, stdout?: number | undefined }} [options]
 *   `stdout`: a file that takes its standard output
 * @returns {{ ok: boolean, stdout: string, stderr: string, reason: string }} `reason`: why it failed, one line
 */
export function capture(command, args, options = {}) {
  const { cwd = projectRoot, env, timeoutMs = 600_000, stdout = "pipe" } = options;
  const done = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: "utf8",
    timeout: timeoutMs,
    stdio: ["ignore", stdout, "pipe"],
  });
  // docker ends an error with a hint
  const lastLine = (done.stderr ?? "")
    .replace(/^See 'docker .*/m, "")
    .trim()
    .split("\n")
    .at(-1);
  return {
    ok: done.status === 0,
    stdout: done.stdout ?? "",
    stderr: done.stderr ?? "",
    reason: done.error?.message ?? (lastLine || `exit code ${done.status}`),
  };
}

/**
 * Runs one of the devDependencies' programs.
 *
 * @param {string} script path below node_modules: not the link in .bin, which Windows could not start
 * @param {readonly string[]} [args]
 */
export function runTool(script, args = []) {
  return run(process.execPath, [join(projectRoot, "node_modules", script), ...args]);
}

/** Compiles into dist what has changed, and bundles what is published. */
export async function build() {
  const startMs = performance.now();
  // the compiler prints nothing, and takes a minute on a slow machine
  const progress = setInterval(() => {
    say(`   still compiling, ${Math.round((performance.now() - startMs) / 1_000)} s so far`);
  }, 15_000);
  try {
    const code = await runTool("typescript/bin/tsc", ["--build"]);
    return code === 0 ? await runTool("rollup/dist/bin/rollup", ["-c", "--silent"]) : code;
  } finally {
    clearInterval(progress);
  }
}

/** Installs the dependencies that package-lock.json names, unless they are there already. */
export async function installDependencies() {
  const installed = join(projectRoot, "node_modules", ".package-lock.json");
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(projectRoot, "package-lock.json")).mtimeMs)
    return 0;
  const [command, ...args] = npm("ci");
  return run(command, args);
}

/**
 * The command line of the npm that runs us, or else of the one on the PATH.
 *
 * @param {string[]} args
 * @returns {[command: string, ...args: string[]]}
 */
export function npm(...args) {
  const path = process.env["npm_execpath"];
  return path === undefined ? ["npm", ...args] : [process.execPath, path, ...args];
}

/** Throws when this Node is older than package.json requires. */
export function checkNodeVersion() {
  const wanted = /** @type {{ engines: { node: string } }} */ (
    JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8"))
  ).engines.node;
  if (process.versions.node.localeCompare(wanted.replace(/^\D+/, ""), "en", { numeric: true }) < 0) {
    throw new ScriptError(
      `Node ${wanted} is needed and this is ${process.version}: install a newer one from https://nodejs.org`,
    );
  }
}

/**
 * One announced step. Throws unless `work` ends with exit code 0 (or with none).
 *
 * @param {string} title
 * @param {() => Promise<number | void> | number | void} work
 */
export async function step(title, work) {
  const startMs = performance.now();
  say(`== ${title}`);
  const code = (await work()) ?? 0;
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
  if (code !== 0) throw new ScriptError(`== ${title}: failed after ${seconds} s (exit code ${code})`);
  say(`== ${title}: done in ${seconds} s`);
}

/** @type {Map<(signal?: NodeJS.Signals) => void, Promise<unknown>>} */
const cleanups = new Map();
let watching = false;

/**
 * Calls `cleanup` when this process ends, however it does (SIGKILL excepted). It must be synchronous.
 *
 * @param {(signal?: NodeJS.Signals) => void} cleanup gets the signal that ends us, if one does
 * @param {Promise<unknown>} [ended] on a signal we wait for this, up to 5 s, before we end ourselves
 * @returns {() => void} takes it back
 */
export function atExit(cleanup, ended = Promise.resolve()) {
  watchExit();
  cleanups.set(cleanup, ended);
  return () => {
    cleanups.delete(cleanup);
  };
}

/** From now on a signal that ends this process is handled in the event loop, so that the cleanups of `atExit` run. */
export function watchExit() {
  if (watching) return;
  watching = true;
  process.on("exit", () => {
    for (const cleanup of cleanups.keys()) cleanup();
  });
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
    // once: a second Ctrl-C ends us at once
    process.once(signal, () => {
      const code = 128 + constants.signals[signal];
      const waits = [...cleanups.values()];
      for (const cleanup of cleanups.keys()) cleanup(signal);
      setTimeout(() => process.exit(code), 5_000);
      void Promise.allSettled(waits).then(() => process.exit(code));
    });
  }
}

function findProjectRoot() {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, "package.json");
    if (existsSync(file) && /** @type {{ name?: string }} */ (JSON.parse(readFileSync(file, "utf8"))).name === "etcd2")
      return folder;
    if (folder === dirname(folder)) throw new ScriptError("this script must be inside the folder of the package etcd2");
  }
}
