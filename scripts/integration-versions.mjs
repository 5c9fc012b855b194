// npm run integration:versions: the integration tests once more, against each other etcd that Debian's mirror has.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { etcdVersion } from "./servers/find-etcd.mjs";
import { keepInCache, unpackPackage } from "./servers/packages.mjs";
import { build, checkNodeVersion, installDependencies, projectRoot, runMain, say, ScriptError, step } from "./run.mjs";
import { runTests } from "./test-run.mjs";
import { findTestServers } from "./servers/test-servers.mjs";

/** Minor versions beside that of the machine, and the Debian suite whose etcd-server is one. */
const wanted = Object.freeze([
  { version: "3.3", suite: "bullseye" },
  { version: "3.5", suite: "trixie" },
]);

const cacheFolder = join(projectRoot, ".cache", "servers");

async function integrationVersions() {
  checkNodeVersion();
  await step("install", installDependencies);
  await step("build", build);
  /** @type {[etcd: string, result: string][]} */
  const table = [];
  let ran = 0;
  let failures = 0;
  for (const { version, suite } of wanted) {
    const found = findVersion(version, suite);
    if ("problem" in found) {
      table.push([version, `not to be had: ${found.problem}`]);
      continue;
    }
    say(`== integration tests against etcd ${found.exact} (${found.bin})`);
    const { passed, failed } = await runTests("integration", {
      env: { ...(await findTestServers({ etcd: found.bin })), ETCD_ENDPOINTS: undefined },
    });
    table.push([found.exact, `${passed} passed, ${failed} failed`]);
    ran++;
    if (failed > 0 || passed === 0) failures++;
  }
  say(`\n${"etcd".padEnd(8)} integration tests, Node ${process.version}`);
  for (const [etcd, result] of table) say(`${etcd.padEnd(8)} ${result}`);
  if (ran === 0)
    throw new ScriptError(
      "no version could be had: put binaries into .cache/servers/etcd-3.3/etcd and etcd-3.5/etcd, or run this on Debian",
    );
  return failures === 0 ? 0 : 1;
}

/**
 * The etcd of that minor version, from the cache or from the suite.
 *
 * @param {string} version
 * @param {string} suite
 * @returns {{ bin: string, exact: string } | { problem: string }}
 */
function findVersion(version, suite) {
  const bin = join(cacheFolder, `etcd-${version}`, "etcd");
  const problem = existsSync(bin) ? undefined : fetchFrom(suite, bin);
  if (problem !== undefined) return { problem };
  const exact = etcdVersion(bin);
  if (exact === undefined) return { problem: `${bin} does not run here` };
  return exact.startsWith(`${version}.`) ? { bin, exact } : { problem: `${bin} is version ${exact}` };
}

/**
 * @param {string} suite
 * @param {string} bin
 */
function fetchFrom(suite, bin) {
  say(`etcd: downloading etcd-server of Debian ${suite}, without installing it`);
  return keepInCache(bin, {
    fill: (folder) => unpackPackage("etcd-server", folder, { suite }),
    file: join("usr", "bin", "etcd"),
    check: (path) => (etcdVersion(path) === undefined ? "the package's binary does not run here" : undefined),
  });
}

runMain(import.meta.url, integrationVersions);
