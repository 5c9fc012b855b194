// One run of node:test over compiled test files, counted.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { projectRoot, run, say } from "./run.mjs";

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
  const scratch = mkdtempSync(join(tmpdir(), "etcd2-test-run-"));
  const tapFile = join(scratch, "tap");
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
      { env: nodeArgs.length === 0 ? env : { ...env, NODE_OPTIONS: nodeOptions(nodeArgs) } },
    );
    return count(readFileSync(tapFile, "utf8"), files, code);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
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

/** @param {readonly string[]} nodeArgs added to those of this process */
function nodeOptions(nodeArgs) {
  return [process.env["NODE_OPTIONS"] ?? "", ...nodeArgs].join(" ").trim();
}

/** What the transports have in common is tested over each: these are the files that go to the network, or to etcd, through the core. Not those of got's own path. */
const overUndici = {
  nodeArgs: [`--import=${pathToFileURL(join(projectRoot, "dist", "src", "test-kit", "over-undici.js")).href}`],
  only: {
    src: /^(?:core\/(?:cluster\/)?[\w-]+|http\/(?:got\/(?=got-loading))?[\w-]+)\.test\.js$/,
    integration:
      /^(?:auth|cluster|diagnostics|keys|members|mirror|mistakes-(?:calls|connections)|namespace|no-v2|properties|proxy|proxy-variables|readiness|shared-watch|srv|tls(?:-faults)?|typed-keys|v3-(?:keys|watch)|watch(?:-[a-z-]+)?)\.test\.js$/,
  },
};

/**
 * The integration tests for a version of etcd.
 *
 * @param {string} version
 * @returns {RegExp | undefined} undefined: all of them
 */
export function testsForVersion(version) {
  if (!version.startsWith("3.3.")) return undefined;
  say(`etcd ${version} has no v3 gateway at /v3: files that need one are left out`);
  return /^(?!consumers\/|site\/|migrate|serve|stores|v2-server|v3-)/;
}

/** Layers whose integration tests hold over v3, without a v2 API on the server. */
export const overV3 = {
  /** In `npm test`: a few quick files, each of which uses something else of v3. */
  quick: /^(?:election-safety|lock|mirror|namespace|config-etcd|discovery-subscribe|watch-started-over)\.test\.js$/,
  /** In `npm run integration:v3`: the suites of mirrors (V75), elections (V76), discovery, agents and configuration (V77), and others. */
  all: /^(?:agent(?:-bridge)?|cluster(?:-id)?|config-(?:api|etcd|outage)|discovery-[a-z]+|election(?:-(?:faults|safety|store))?|lock|mirror|namespace|shared-watch|typed-keys|watch-started-over)\.test\.js$/,
  /** For processes in which clients speak v3 unless their options say otherwise; so do those that they start. */
  env: () => ({
    NODE_OPTIONS: nodeOptions([
      `--import=${pathToFileURL(join(projectRoot, "dist", "src", "test-kit", "over-v3.js")).href}`,
    ]),
    ETCD2_TEST_PROTOCOL: "v3",
  }),
};

/** Tests of `v3Protocol()` itself. Each starts clusters of both versions without v2. */
export const ofV3 = {
  /** In `npm run integration:v3`. */
  all: /^v3-[a-z]+\.test\.js$/,
  /** Those whose clusters may have several members: in `npm run integration:v3` once more on three. */
  several: /^v3-(?:auth|keys|layers|many|tokens|watch)\.test\.js$/,
  /** Of these in `npm test`. */
  quick: /^v3-(?:keys|watch)\.test\.js$/,
};

/** For clusters of three members. */
export const onThreeMembers = { ETCD2_TEST_MEMBERS: "3" };

/** A short safety run, the same each time; its seed is in the name of its test. */
export const shortSafety = { ELECTION_SAFETY_SECONDS: "20", ELECTION_SAFETY_SEED: "20161" };

/**
 * Integration tests of layers with `v3Protocol()` in place of v2.
 *
 * @param {{ env?: NodeJS.ProcessEnv | undefined, only?: RegExp | undefined, without?: readonly string[] | undefined }} [options]
 */
export function runTestsOverV3({ env, only = overV3.quick, without } = {}) {
  return runTests("integration", { only, without, env: { ...env, ...overV3.env() } });
}

/**
 * The same tests with `etcd2/undici` in place of got.
 *
 * @param {"src" | "integration"} folder
 * @param {{ env?: NodeJS.ProcessEnv | undefined, without?: readonly string[] | undefined }} [options]
 */
export function runTestsOverUndici(folder, options = {}) {
  return runTests(folder, { ...options, only: overUndici.only[folder], nodeArgs: overUndici.nodeArgs });
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
