// A Consul binary, from wherever this machine has or can get one. Unlike etcd, tests can do without: a fake stands in.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { findOnPath, keepInCache, unpackPackage } from "./packages.mjs";
import { capture, projectRoot, runMain, say, ScriptError } from "../run.mjs";

const cachedConsul = join(projectRoot, ".cache", "consul", "consul");
/** The last Debian that has Consul as a package (1.8.7); it is past its support, and may go. */
const suite = "bullseye";

/**
 * Path of a Consul binary: CONSUL_BIN, then PATH, then one taken out of a package earlier, then Debian's package,
 * unpacked. Undefined when there is none, and when CONSUL_BIN is "none".
 *
 * @param {{ log?: import("../run.mjs").Log | undefined }} [options] `log` hears of each way that led nowhere
 * @returns {string | undefined}
 * @throws {ScriptError} when CONSUL_BIN names something else than a Consul
 */
export function findConsul({ log = say } = {}) {
  const named = process.env["CONSUL_BIN"];
  if (named === "none") return undefined;
  if (named) {
    if (consulVersion(named) !== undefined) return named;
    throw new ScriptError(
      `CONSUL_BIN is "${named}", and that does not run here as consul: set it to the path of one, or to none`,
    );
  }
  for (const path of [findOnPath("consul"), cachedConsul]) {
    if (path !== undefined && existsSync(path) && consulVersion(path) !== undefined) return path;
  }
  const found = fromPackage(log);
  if (found === undefined)
    log(
      "consul: none here, and none to be had: set CONSUL_BIN to one (https://releases.hashicorp.com/consul) to run the tests that need it",
    );
  return found;
}

/**
 * Version of a Consul binary, such as "1.8.7"; undefined when it does not run.
 *
 * @param {string} bin
 */
export function consulVersion(bin) {
  const { ok, stdout } = capture(bin, ["version"], { timeoutMs: 15_000 });
  return ok ? /^Consul v(\d\S*)/m.exec(stdout)?.[1] : undefined;
}

/**
 * @param {import("../run.mjs").Log} log
 */
function fromPackage(log) {
  log(`consul: downloading the package of Debian ${suite}, without installing it`);
  const problem = keepInCache(cachedConsul, {
    fill: (folder) => unpackPackage("consul", folder, { suite }),
    file: join("usr", "bin", "consul"),
    check: (path) => (consulVersion(path) === undefined ? "the package's binary does not run here" : undefined),
  });
  if (problem === undefined) return cachedConsul;
  log(`consul: ${problem}`);
  return undefined;
}

runMain(import.meta.url, async () => {
  const found = findConsul();
  if (found === undefined) return 1;
  process.stdout.write(`${found}\n`);
  return 0;
});
