// An etcd binary that serves the v2 API, from wherever this machine has or can get one.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { copyEtcdFromImage, hasDockerEngine } from "./docker.mjs";
import { findOnPath, hasDebianTools, isRoot, keepInCache, unpackPackage } from "./packages.mjs";
import { capture, projectRoot, say, ScriptError } from "../run.mjs";

const cachedEtcd = join(projectRoot, ".cache", "etcd", "etcd");
const wanted = "3.3, 3.4 or 3.5";

/**
 * Path of an etcd binary: ETCD_BIN, then PATH, then one taken out of an image or a package earlier, then the image of
 * docker-compose.yml, then the package etcd-server: unpacked if possible, installed as the last resort.
 *
 * @param {{ log?: import("../run.mjs").Log | undefined }} [options] `log` hears of each way that led nowhere
 * @returns {Promise<string>}
 * @throws {ScriptError} when there is none: one line with the remedy
 */
export async function findEtcd({ log = say } = {}) {
  const named = process.env["ETCD_BIN"];
  if (named) {
    const problem = whyUnusable(named);
    if (problem !== undefined)
      throw new ScriptError(`ETCD_BIN is "${named}", and ${problem}: set it to the path of an etcd ${wanted}`);
    return named;
  }
  const onPath = findOnPath("etcd");
  for (const path of [onPath, cachedEtcd]) {
    if (path === undefined || !existsSync(path)) continue;
    const problem = whyUnusable(path);
    if (problem === undefined) return path;
    log(`etcd: ${path} is of no use: ${problem}`);
  }
  if (process.platform === "linux") {
    const found = fromDocker(log) ?? fromPackage(log) ?? installPackage(log);
    if (found !== undefined) return found;
  }
  const debian = findOnPath("apt-get") === undefined ? "" : ", or as root run: apt-get install etcd-server";
  const docker = process.platform === "linux" ? ", or start a Docker engine" : "";
  throw new ScriptError(
    `no etcd found: set ETCD_BIN to an etcd ${wanted} (https://github.com/etcd-io/etcd/releases) or put it on the PATH${docker}${debian}`,
  );
}

/**
 * Version of an etcd binary, such as "3.4.23"; undefined when it does not run.
 *
 * @param {string} bin
 */
export function etcdVersion(bin) {
  const { ok, stdout } = capture(bin, ["--version"], { timeoutMs: 15_000 });
  return ok ? /etcd Version: (\S+)/.exec(stdout)?.[1] : undefined;
}

/** @param {string} bin */
function whyUnusable(bin) {
  const version = etcdVersion(bin);
  if (version === undefined) return "it does not run here as etcd";
  // 3.6 took the v2 API out; before 3.3 the flags differ
  return /^3\.[345]\./.test(version) ? undefined : `it is version ${version}, not ${wanted}`;
}

/** @param {import("../run.mjs").Log} log */
function fromDocker(log) {
  // Tests kill and freeze members, so they must be plain processes: the image gives only the binary.
  if (!hasDockerEngine()) {
    log("etcd: no Docker engine answers");
    return undefined;
  }
  log("etcd: taking the binary out of the image that docker-compose.yml names");
  return kept(log, (folder) => copyEtcdFromImage(join(folder, "etcd")), "etcd");
}

/**
 * Debian's package, unpacked: an install would start etcd.service on port 2379, without v2, and needs root.
 *
 * @param {import("../run.mjs").Log} log
 */
function fromPackage(log) {
  if (!hasDebianTools()) {
    log("etcd: no apt-get here");
    return undefined;
  }
  log("etcd: downloading Debian's package etcd-server, without installing it");
  return kept(log, (folder) => unpackPackage("etcd-server", folder), join("usr", "bin", "etcd"));
}

/** @param {import("../run.mjs").Log} log */
function installPackage(log) {
  if (!isRoot() || findOnPath("apt-get") === undefined) return undefined;
  log(
    "etcd: installing Debian's package etcd-server; it may start etcd on port 2379, which `systemctl disable --now etcd` ends",
  );
  const { ok, reason } = capture(
    "apt-get",
    ["-q", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends", "etcd-server"],
    {
      env: { DEBIAN_FRONTEND: "noninteractive" },
    },
  );
  const path = findOnPath("etcd");
  const problem = !ok ? reason : path === undefined ? "it put no etcd on the PATH" : whyUnusable(path);
  if (problem === undefined) return path;
  log(`etcd: apt-get install etcd-server: ${problem}`);
  return undefined;
}

/**
 * @param {import("../run.mjs").Log} log
 * @param {(folder: string) => string | undefined} fill
 * @param {string} file
 */
function kept(log, fill, file) {
  const problem = keepInCache(cachedEtcd, { fill, file, check: whyUnusable });
  if (problem === undefined) return cachedEtcd;
  log(`etcd: ${problem}`);
  return undefined;
}
