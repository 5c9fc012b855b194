// node scripts/tasks.mjs NAME: the commands of package.json that run tests. Each installs, builds and finds what it needs.
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, checkNodeVersion, installDependencies, projectRoot, run } from "./run.mjs";
import { runMain, runTool, say, ScriptError, step } from "./run.mjs";
import { compose, composeEndpoints, hasDockerEngine } from "./servers/docker.mjs";
import { endpointsFromEnv, endpointState, waitForCluster } from "./servers/probe.mjs";
import { find, findAll, findNode, testPrograms, versionOf } from "./servers/programs.mjs";
import { ofV3, onThreeMembers, overV3, shortSafety, withoutGateway } from "../integration/selections.mjs";
import { overV3Env, runTests, runTestsOverUndici, runTestsOverV3, testFiles } from "./test-run.mjs";

/** @typedef {{ passed: number, failed: number }} Sum */
/** @typedef {{ env?: NodeJS.ProcessEnv, without?: readonly import("./servers/programs.mjs").Program[] }} Options */

/** @type {Readonly<Record<string, (...args: string[]) => Promise<number | void> | number | void>>} */
const tasks = {
  quickstart,
  test: testEverything,
  unit: async () => exitCode(await runTests("src")),
  integration: testOnCluster,
  versions: testVersions,
  v3: testOverV3,
  nodes: testNodes,
  long: testLong,
  consumers: testConsumers,
  site: testSite,
  clean: () => rmSync(join(projectRoot, "dist"), { recursive: true, force: true }),
};

/** `npm run quickstart`: examples/quickstart.ts on a real etcd. With `--keep` that etcd goes on until Ctrl-C. */
async function quickstart(flag = "") {
  if (flag !== "" && flag !== "--keep") throw new ScriptError(`quickstart does not know ${flag}: it takes --keep`);
  checkNodeVersion();
  /** @type {() => Promise<{ endpoints: readonly string[], stop(): Promise<void> }>} */
  let start = startCompose;
  await step("find etcd", () => {
    try {
      const bin = find("etcd");
      start = async () => {
        /** @type {typeof import("../integration/test-kit/etcd.js")} */
        const { startCluster } = await importBuilt("test-kit/etcd.js");
        return startCluster({ bin });
      };
    } catch (error) {
      // The image's binary is for Linux: on other systems the whole cluster runs in Docker.
      if (!(error instanceof ScriptError) || process.platform === "linux" || !hasDockerEngine()) throw error;
    }
  });
  await step("install", installDependencies);
  await step("build", build);
  const etcd = await start();
  try {
    const endpoints = etcd.endpoints.join(",");
    const code = await run(process.execPath, ["dist/examples/quickstart.js"], { env: { ETCD_ENDPOINTS: endpoints } });
    if (flag === "") say("\nThis etcd ends now. To paste the curl lines, keep it: npm run quickstart -- --keep");
    if (flag === "" || code !== 0) return code;
    say(`\n${endpoints} goes on until you press Ctrl-C. Paste the curl lines in another terminal.`);
    // never resolves: a signal ends the process, and etcd with it
    await new Promise(() => setInterval(() => undefined, 60_000));
    return code;
  } finally {
    await etcd.stop();
  }
}

/** A module of the integration tests, as it was compiled. @param {string} path */
function importBuilt(path) {
  return import(pathToFileURL(join(projectRoot, "dist", "integration", path)).href);
}

/** `npm test`: everything, from a clean clone. Stops at a step that fails, but runs all kinds of tests. */
async function testEverything() {
  await prepare(async () => {
    await tasks["clean"]?.();
    return build();
  });
  // Every test file starts the members it needs, so a cluster named in the environment is ignored.
  const { env, missing } = servers ?? findAll(testPrograms);
  await step("lint", () => runTool("eslint/bin/eslint.js", ["."]));
  await step("format", () => runTool("prettier/bin/prettier.cjs", ["--check", "--log-level", "warn", "."]));
  await step("unused exports", () => runTool("knip/bin/knip.js", []));
  /** @type {Options} */
  const options = { env: { ...env, ETCD_ENDPOINTS: undefined }, without: [...missing.keys()] };
  /** @type {[title: string, work: () => Promise<Sum>][]} */
  const kinds = [
    ["unit tests", () => runTests("src", options)],
    ["unit tests over undici", () => runTestsOverUndici("src", options)],
    ["integration tests", () => runTests("integration", options)],
    ["integration tests over undici", () => runTestsOverUndici("integration", options)],
    [
      "integration tests over v3 on three members",
      () => runTestsOverV3({ ...options, env: threeOfNewer(options.env) }),
    ],
    [
      "tests of v3 on three members",
      () => runTests("integration", { ...options, only: ofV3.quick, env: { ...options.env, ...onThreeMembers } }),
    ],
  ];
  // When a server is missing, the tests that do not need it still run.
  return runWithout(missing, missing.has("etcd") ? kinds.slice(0, 2) : kinds);
}

/**
 * Runs kinds of tests. A missing program counts as a failed test.
 *
 * @param {ReturnType<typeof findAll>["missing"]} missing
 * @param {readonly (readonly [title: string, work: () => Promise<Sum>])[]} kinds
 */
async function runWithout(missing, kinds) {
  const sum = { passed: 0, failed: missing.size };
  for (const [title, work] of kinds) await step(title, async () => add(sum, await work()));
  for (const line of missing.values()) say(`tests not run: ${line}`);
  return exitCode(sum);
}

/** `npm run integration`: on the cluster of ETCD_ENDPOINTS, or else that of docker-compose.yml. */
async function testOnCluster() {
  await prepare(build);
  const named = endpointsFromEnv();
  const endpoints = named.length > 0 ? named : composeEndpoints;
  await step("wait for the cluster", async () => {
    if (named.length === 0) {
      await startCompose();
      say("the cluster of docker compose is left running: docker compose down -v ends it");
    }
    await waitForCluster(endpoints);
  });
  // Tests that kill, freeze or replace members still start their own.
  const { env, missing } = servers ?? findAll(testPrograms);
  if (missing.has("etcd")) neededServers();
  const options = { env: { ...env, ETCD_ENDPOINTS: endpoints.join(",") }, without: [...missing.keys()] };
  return runWithout(missing, [["integration tests", () => runTests("integration", options)]]);
}

/** The cluster of docker-compose.yml. `stop` ends it, but only if it was started here. */
async function startCompose() {
  const states = await Promise.all(composeEndpoints.map(endpointState));
  if (states.every((state) => state === "ready")) return { endpoints: composeEndpoints, stop: async () => undefined };
  if (!hasDockerEngine()) {
    const where = composeEndpoints.join(",");
    throw new ScriptError(
      `no cluster on ${where} and no Docker engine to start one: start Docker, or name a cluster in ETCD_ENDPOINTS`,
    );
  }
  await compose("up", "-d", "--wait");
  return { endpoints: composeEndpoints, stop: () => compose("down", "-v") };
}

/** `npm run integration:versions`: the integration tests once more, against other etcd versions. */
async function testVersions() {
  await prepare(build);
  return table("etcd", ["etcd-3.3", "etcd-3.5"], async (/** @type {"etcd-3.3" | "etcd-3.5"} */ name) => {
    const bin = find(name);
    const version = versionOf("etcd", bin) ?? name;
    const env = { ...neededServers(), ETCD_BIN: bin, ETCD_ENDPOINTS: undefined };
    const is33 = version.startsWith("3.3.");
    if (is33) say(`etcd ${version} has no v3 gateway at /v3: files that need one are left out`);
    return [version, await runTests("integration", { env, only: is33 ? withoutGateway : undefined })];
  });
}

/** `npm run integration:v3`: the suites of all layers over `v3Protocol()`, and its own tests, on members without the v2 API: one and three. */
async function testOverV3() {
  await prepare(build);
  const one = { ...neededServers(), ...shortSafety, ETCD_ENDPOINTS: undefined };
  const three = { ...one, ...onThreeMembers };
  const sum = { passed: 0, failed: 0 };
  /** @type {[title: string, work: () => Promise<Sum>][]} */
  const kinds = [
    ["layers over v3 on one member (V75, V76, V77)", () => runTestsOverV3({ env: one, only: overV3.all })],
    [
      "layers over v3 on three members of the newer version (V75, V76, V77)",
      () => runTestsOverV3({ env: threeOfNewer(one), only: overV3.all }),
    ],
    ["v3 on one member", () => runTests("integration", { env: one, only: ofV3.all })],
    ["v3 on three members", () => runTests("integration", { env: three, only: ofV3.several })],
  ];
  for (const [title, work] of kinds) await step(title, async () => add(sum, await work()));
  return exitCode(sum);
}

/**
 * For suites over v3 that `npm test` runs once: on three members, of the newer version if it was found, since all other tests
 * run on the older one.
 *
 * @param {NodeJS.ProcessEnv | undefined} env
 * @returns {NodeJS.ProcessEnv}
 */
function threeOfNewer(env) {
  const newer = env?.["ETCD_3_5_BIN"];
  return { ...env, ...onThreeMembers, ...shortSafety, ...(newer !== undefined && { ETCD_BIN: newer }) };
}

/** `npm run test:nodes`: unit and integration tests under other Node versions, on the build of this one. */
async function testNodes(resultFile = "") {
  if (resultFile !== "") {
    // the other Node runs this file again and writes its counts to `resultFile`
    const sum = await runTests("src");
    add(sum, await runTests("integration"));
    writeFileSync(resultFile, JSON.stringify(sum));
    return exitCode(sum);
  }
  await prepare(build);
  // the oldest that is supported, each of the long-term ones, and the newest that there is
  return table("Node", ["20.19", "22", "24", "latest"], async (major) => {
    const { bin, version } = findNode(major);
    const file = join(projectRoot, ".cache", "node", `${major}.json`);
    rmSync(file, { force: true });
    // the other Node is first on the PATH too, for tests that start programs
    const PATH = `${dirname(bin)}${delimiter}${process.env["PATH"] ?? ""}`;
    const env = { ...neededServers(), PATH, ETCD_ENDPOINTS: undefined };
    const code = await run(bin, [fileURLToPath(import.meta.url), "nodes", file], { env });
    if (!existsSync(file)) throw new ScriptError(`ended early (exit code ${code})`);
    return [`v${version}`, /** @type {Sum} */ (JSON.parse(readFileSync(file, "utf8")))];
  });
}

/** Tests of `npm test` that look for rare faults. Here they run for ten minutes, or as many seconds as their variable says. */
const longTests = {
  faults: { only: /^faults\//, seconds: "FAULTS_SECONDS" },
  "consul-safety": { only: /^consul-safety\./, seconds: "ELECTION_SAFETY_SECONDS" },
  "election-safety": { only: /^election-safety\./, seconds: "ELECTION_SAFETY_SECONDS" },
  "lock-safety": { only: /^lock-safety\./, seconds: "LOCK_SAFETY_SECONDS" },
};

/** `npm run faults` and so on; with `-- --v3` over `v3Protocol()`, on members without the v2 API. */
async function testLong(name = "", flag = "") {
  if (flag !== "" && flag !== "--v3") throw new ScriptError(`${name} does not know ${flag}: it takes --v3`);
  const names = Object.keys(longTests).join(", ");
  if (!Object.hasOwn(longTests, name)) throw new ScriptError(`which long test? One of ${names}`);
  const { only, seconds: variable } = longTests[/** @type {keyof typeof longTests} */ (name)];
  await prepare(build);
  const seconds = process.env[variable] ?? "600";
  const env = {
    ...neededServers(),
    ETCD_ENDPOINTS: undefined,
    [variable]: seconds,
    ...(flag === "--v3" && overV3Env()),
  };
  const options = ["--enable-source-maps", "--test", `--test-timeout=${Number(seconds) * 1_000 + 300_000}`];
  const files = testFiles("integration", only);
  // one after the other: each loads a cluster of its own
  return run(process.execPath, [...options, "--test-concurrency=1", "--test-reporter=spec", ...files], {
    env,
    asGroup: true,
  });
}

/** `npm run test:consumers`: the packed package in bundlers, test runners, TypeScript versions and other runtimes. */
async function testConsumers() {
  await prepare(build);
  /** @type {typeof import("../integration/consumers/install.js")} */
  const { installForConsumers } = await importBuilt("consumers/install.js");
  let installed = {};
  await step("pack and install", () => {
    installed = installForConsumers();
  });
  const env = { ...neededServers(), ...installed };
  return exitCode(await runTests("integration", { env, only: /^consumers\// }));
}

/** `npm run docs:test`: the site of the documentation in a real browser. Needs no etcd. */
async function testSite() {
  checkNodeVersion();
  await step("find a browser", () => say(find("chromium")));
  await step("install", installDependencies);
  await step("compile", () => runTool("typescript/bin/tsc", ["--build"]));
  await step("build the site", () => runTool("typedoc/bin/typedoc", ["--options", "docs/site/typedoc.config.mjs"]));
  return exitCode(await runTests("integration", { only: /^site\// }));
}

/** @type {ReturnType<typeof findAll> | undefined} */
let servers;

/**
 * Looks for the servers first: a missing one should be reported at once, not after a minute of building.
 *
 * @param {() => Promise<number> | number} work
 */
async function prepare(work) {
  checkNodeVersion();
  await step("find servers", () => {
    servers = findAll(testPrograms);
  });
  await step("install", installDependencies);
  await step("build", work);
}

function neededServers() {
  const { env, missing } = servers ?? findAll(testPrograms);
  if (missing.size > 0) throw new ScriptError([...missing.values()].join("\n"));
  return env;
}

/**
 * Runs the tests once per name, and prints a table of the results.
 *
 * @template {string} T
 * @param {string} title
 * @param {readonly T[]} names
 * @param {(name: T) => Promise<[name: string, sum: Sum]>} work
 */
async function table(title, names, work) {
  /** @type {string[]} */
  const rows = [];
  let bad = 0;
  for (const name of names) {
    try {
      say(`== ${title} ${name}`);
      const [exact, sum] = await work(name);
      rows.push(`${exact.padEnd(10)} ${sum.passed} passed, ${sum.failed} failed`);
      bad += exitCode(sum, () => undefined);
    } catch (error) {
      if (!(error instanceof ScriptError)) throw error;
      rows.push(`${name.padEnd(10)} ${error.message}`);
      bad++;
    }
  }
  say(`\n${title.padEnd(10)} tests\n${rows.join("\n")}`);
  return bad === 0 ? 0 : 1;
}

/**
 * @param {Sum} sum
 * @param {Sum} more
 */
function add(sum, { passed, failed }) {
  sum.passed += passed;
  sum.failed += failed;
}

/** @param {Sum} sum */
function exitCode({ passed, failed }, log = say) {
  log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

runMain(import.meta.url, async () => {
  const [name = "", ...args] = process.argv.slice(2);
  const task = Object.hasOwn(tasks, name) ? tasks[name] : undefined;
  if (task === undefined) throw new ScriptError(`which task? One of ${Object.keys(tasks).join(", ")}`);
  return task(...args);
});
