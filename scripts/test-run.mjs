// One run of node:test over compiled test files, counted.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { overUndici, overV3 } from "../integration/selections.mjs";
import { atExit, projectRoot, run, say, watchExit } from "./run.mjs";

/**
 * The compiled test files below a folder of dist, in order.
 *
 * @param {"src" | "integration"} folder
 * @param {RegExp} only of these, by their path below the folder
 * @returns {string[]}
 */
export function testFiles(folder, only) {
  const top = join(projectRoot, "dist", folder);
  const names = existsSync(top) ? /** @type {string[]} */ (readdirSync(top, { recursive: true })) : [];
  return names
    .filter((name) => name.endsWith(".test.js") && only.test(name.replaceAll("\\", "/")))
    .sort()
    .map((name) => join(top, name));
}

/**
 * Runs the compiled tests below a folder of dist, with progress on stdout. A skipped or todo test counts as failed, and so
 * does a file without a test.
 *
 * @param {"src" | "integration"} folder
 * @param {{ env?: NodeJS.ProcessEnv | undefined, only?: RegExp | undefined, nodeArgs?: readonly string[] | undefined, without?: readonly string[] | undefined }} [options]
 *   `only`: which files, by their path below the folder; `nodeArgs`: for the tests' processes and the Node processes that they start;
 *   `without`: programs that are missing, so that files which need them are left out
 * @returns {Promise<{ passed: number, failed: number }>}
 */
export async function runTests(folder, { env, only = /^(?!(?:consumers|site)\/)/, nodeArgs = [], without = [] } = {}) {
  const files = testFiles(folder, only).filter((file) => {
    const lacking = without.filter((name) => needs(file, name));
    if (lacking.length > 0) say(`${relative(projectRoot, file)} is left out: it needs ${lacking.join(" and ")}`);
    return lacking.length === 0;
  });
  if (files.length === 0) {
    say(`no test file in dist/${folder}`);
    return { passed: 0, failed: 1 };
  }
  watchExit();
  const scratch = mkdtempSync(join(tmpdir(), "etcd2-test-run-"));
  // with retries, since programs that were just killed may still be writing
  const remove = () => rmSync(scratch, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  const forget = atExit(remove);
  const tapFile = join(scratch, "tap");
  // for all temporary files of tests, and of the programs that they start
  const temporary = join(scratch, "tmp");
  mkdirSync(temporary);
  try {
    const code = await run(
      process.execPath,
      [
        "--enable-source-maps",
        "--test",
        "--test-timeout=600000",
        // more files at once than two cores could run: tests mostly wait, for sockets, members and timeouts
        `--test-concurrency=${Math.max(4, availableParallelism() - 1)}`,
        "--test-reporter=spec",
        "--test-reporter-destination=stdout",
        "--test-reporter=tap",
        `--test-reporter-destination=${tapFile}`,
        // listed one by one: Node 20 does not expand globs here
        ...files,
      ],
      {
        env: {
          ...env,
          ...(nodeArgs.length > 0 && { NODE_OPTIONS: nodeOptions(nodeArgs) }),
          // the second is for Windows
          TMPDIR: temporary,
          TEMP: temporary,
        },
        asGroup: true,
      },
    );
    return count(readFileSync(tapFile, "utf8"), files, code);
  } finally {
    forget();
    remove();
  }
}

/**
 * Whether a compiled integration test, or a file of dist/integration that it imports, names a program.
 *
 * @param {string} file
 * @param {string} name
 * @param {Set<string>} [seen]
 * @returns {boolean}
 */
export function needs(file, name, seen = new Set()) {
  if (seen.has(file)) return false;
  seen.add(file);
  const text = readFileSync(file, "utf8");
  if (text.includes(`"${name}"`)) return true;
  const own = [...text.matchAll(/from "(\.{1,2}\/[^"]+\.js)"/g)]
    .map(([, path = ""]) => join(dirname(file), path))
    .filter((path) => relative(join(projectRoot, "dist", "integration"), path).startsWith("..") === false);
  return own.some((path) => needs(path, name, seen));
}

/**
 * The environment of processes in which clients speak v3 unless their options specify a protocol; child processes
 * inherit it.
 */
export function overV3Env() {
  return { NODE_OPTIONS: nodeOptions([importsKit("over-v3")]), ETCD2_TEST_PROTOCOL: "v3" };
}

/** @param {string} name of a module of the test kit */
function importsKit(name) {
  return `--import=${pathToFileURL(join(projectRoot, "dist", "src", "test-kit", `${name}.js`)).href}`;
}

/** @param {readonly string[]} nodeArgs added to those of this process */
function nodeOptions(nodeArgs) {
  return [process.env["NODE_OPTIONS"] ?? "", ...nodeArgs].join(" ").trim();
}

/**
 * Integration tests of layers with `v3Protocol()` in place of v2.
 *
 * @param {{ env?: NodeJS.ProcessEnv | undefined, only?: RegExp | undefined, without?: readonly string[] | undefined }} [options]
 */
export function runTestsOverV3({ env, only = overV3.quick, without } = {}) {
  return runTests("integration", { only, without, env: { ...env, ...overV3Env() } });
}

/**
 * The same tests with `etcd2/undici` in place of got.
 *
 * @param {"src" | "integration"} folder
 * @param {{ env?: NodeJS.ProcessEnv | undefined, without?: readonly string[] | undefined }} [options]
 */
export function runTestsOverUndici(folder, options = {}) {
  return runTests(folder, { ...options, only: overUndici[folder], nodeArgs: [importsKit("over-undici")] });
}

/**
 * @param {string} tap
 * @param {readonly string[]} files
 * @param {number} code
 */
function count(tap, files, code) {
  const total = (/** @type {string} */ what) => Number(new RegExp(`^# ${what} (\\d+)$`, "m").exec(tap)?.[1] ?? 0);
  const omitted = total("skipped") + total("todo");
  if (omitted > 0) say(`${omitted} skipped or todo, which count as failed`);
  // node:test reports a file without tests as one passed test with the file's name.
  const empty = files.filter((file) => new RegExp(`^ok \\d+ - ${escape(file)}$`, "m").test(tap));
  for (const file of empty) say(`${relative(projectRoot, file)} has no test, which counts as failed`);
  const failed = total("fail") + total("cancelled") + omitted + empty.length;
  // A bad exit code is a failure even when no test failed.
  return { passed: total("pass") - empty.length, failed: failed === 0 && code !== 0 ? 1 : failed };
}

/** @param {string} text TAP escapes backslashes and hashes, a regular expression escapes more */
function escape(text) {
  return text.replace(/[\\#]/g, "\\$&").replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
