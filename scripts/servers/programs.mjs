// Finds the servers and tools that tests and the quick start run: on this machine, in a Debian package or in an image.
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { capture, npm, projectRoot, say, ScriptError } from "../run.mjs";
import { keepInCache } from "../../integration/debian/cache.mjs";
import { canUseContainers } from "../../integration/debian/containers.mjs";
import { composeImage, copyFromImage } from "./docker.mjs";
import { keepLinkedProgram } from "../../integration/debian/linked.mjs";
import { findOnPath, hasDebianTools, unpackPackage } from "../../integration/debian/packages.mjs";

/** @param {string} [image] */
const etcd = (image) => ({
  version: ["--version"],
  pattern: /etcd Version: (\S+)/,
  package: "etcd-server",
  file: "usr/bin/etcd",
  image: () => [image ?? composeImage(), "/usr/local/bin/etcd"],
});

/**
 * How each program is recognized, and where it comes from. `version`: the arguments with which it prints its version;
 * `wanted`: the versions that can be used; `names`: what it may be called on the PATH; `search`: paths to try besides;
 * `package` and `file`: the Debian package that has it, and where; `suite`: its Debian release, if not the machine's own;
 * `image`: a Docker image that has it, and its path there; `linked`: it needs shared libraries, which are fetched as well.
 */
const programs = {
  etcd: {
    ...etcd(),
    wanted: /^3\.[345]\./,
    remedy: "an etcd 3.3, 3.4 or 3.5 (https://github.com/etcd-io/etcd/releases)",
  },
  // makes the backups that tests restore
  etcdctl: {
    version: ["version"],
    pattern: /etcdctl version: (\S+)/,
    wanted: /^3\.[345]\./,
    package: "etcd-client",
    file: "usr/bin/etcdctl",
    image: () => [composeImage(), "/usr/local/bin/etcdctl"],
    remedy: "an etcdctl 3.3, 3.4 or 3.5 (https://github.com/etcd-io/etcd/releases)",
  },
  // for the tests of other versions
  "etcd-3.3": { ...etcd("quay.io/coreos/etcd:v3.3.27"), wanted: /^3\.3\./, suite: "bullseye", remedy: "an etcd 3.3" },
  "etcd-3.5": { ...etcd("quay.io/coreos/etcd:v3.5.16"), wanted: /^3\.5\./, suite: "trixie", remedy: "an etcd 3.5" },
  nginx: {
    version: ["-v"],
    pattern: /nginx\/(\S+)/,
    search: ["/usr/sbin/nginx"],
    package: "nginx",
    file: "usr/sbin/nginx",
    linked: {},
    remedy: "an nginx (apt-get update && apt-get install nginx-light, brew install nginx)",
  },
  // bullseye is the last Debian with a package of it (1.8.7)
  consul: {
    version: ["version"],
    pattern: /^Consul v(\d\S*)/m,
    package: "consul",
    suite: "bullseye",
    file: "usr/bin/consul",
    image: () => ["consul:1.8.7", "/bin/consul"],
    remedy: "a Consul (https://releases.hashicorp.com/consul)",
  },
  openssl: {
    version: ["version"],
    pattern: /SSL (\S+)/,
    package: "openssl",
    file: "usr/bin/openssl",
    linked: { variables: { OPENSSL_CONF: "etc/ssl/openssl.cnf" } },
    remedy: "an openssl (apt-get update && apt-get install openssl)",
  },
  // opens the site of the documentation; Debian's package needs libraries that only an install brings
  chromium: {
    names: [
      "chromium",
      "chromium-headless-shell",
      "chromium-browser",
      "google-chrome",
      "google-chrome-stable",
      "microsoft-edge",
    ],
    search: [
      "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
      "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
    ],
    remedy: "a Chromium or Chrome (apt-get update && apt-get install chromium-headless-shell)",
  },
};

/** @typedef {keyof typeof programs} Program */
/** @typedef {{ version?: readonly string[], pattern?: RegExp, wanted?: RegExp, names?: readonly string[], search?: readonly string[], package?: string, suite?: string, file?: string, image?: () => readonly [image: string, path: string], linked?: Pick<import("../../integration/debian/linked.mjs").LinkedProgram, "variables">, remedy: string }} Source */

/** The environment variable that names a program: ETCD_BIN, ETCD_3_5_BIN. @param {Program} name */
const variableOf = (name) => `${name.toUpperCase().replaceAll(/\W/g, "_")}_BIN`;

/**
 * Path of a program: the one that its variable names, else the first usable one of: the PATH, one fetched earlier, (etcd)
 * the image of docker-compose.yml, Debian's package, another image. Packages are unpacked, never installed: an install would
 * start services. Without apt a container of Debian fetches them. Prints each way that failed.
 *
 * @param {Program} name
 * @returns {string}
 * @throws {ScriptError} when there is none: one line with the remedy
 */
export function find(name) {
  const { names = [name], search = [], remedy } = /** @type {Source} */ (programs[name]);
  const variable = variableOf(name);
  const named = process.env[variable];
  if (named) {
    const problem = whyUnusable(name, named);
    if (problem === undefined) return named;
    throw new ScriptError(`${variable} is "${named}", and ${problem}: set it to the path of ${remedy}`);
  }
  const cached = join(projectRoot, ".cache", "servers", name);
  for (const path of [...names.map(findOnPath), ...search, cached]) {
    if (path === undefined || !existsSync(path)) continue;
    const problem = whyUnusable(name, path);
    if (problem === undefined) return path;
    say(`${name}: cannot use ${path}: ${problem}`);
  }
  // without apt a package comes by way of a container, which takes longer than an image of the program
  for (const fetch of name === "etcd" || !hasDebianTools() ? [fromImage, fromPackage] : [fromPackage, fromImage]) {
    const problem = fetch(name, cached);
    if (problem === undefined) return cached;
    if (problem !== "") say(`${name}: ${problem}`);
  }
  throw new ScriptError(
    `${name} was not found and could not be fetched (see above): put ${remedy} on the PATH, or name it in ${variable}`,
  );
}

/** The etcd of the tests, or a 3.5 if that is a 3.3, whose v3 gateway is below another path, and in another state. */
export function findEtcdWithV3() {
  const bin = find("etcd");
  return versionOf("etcd", bin)?.startsWith("3.3.") === true ? find("etcd-3.5") : bin;
}

/** @type {Map<string, string | undefined>} */
const versions = new Map();

/**
 * Version of a program, such as "3.4.23"; undefined when it does not run.
 *
 * @param {Program} name
 * @param {string} bin
 */
export function versionOf(name, bin) {
  const { version = [], pattern = /^/ } = /** @type {Source} */ (programs[name]);
  const known = `${name} ${bin}`;
  if (!versions.has(known)) {
    const { ok, stdout, stderr } = capture(bin, version, { timeoutMs: 15_000 });
    versions.set(known, ok ? pattern.exec(stdout + stderr)?.[1] : undefined);
  }
  return versions.get(known);
}

/**
 * @param {Program} name
 * @param {string} bin
 * @returns {string | undefined}
 */
function whyUnusable(name, bin) {
  const { version: asked, wanted = /^/ } = /** @type {Source} */ (programs[name]);
  // Chrome on Windows prints none: it opens a window
  if (asked === undefined) return existsSync(bin) ? undefined : "it does not exist";
  const version = versionOf(name, bin);
  if (version === undefined) return `it does not run here as ${name}`;
  return wanted.test(version) ? undefined : `its version is ${version}`;
}

/**
 * Takes a program out of an image: tests kill and freeze servers, so they must be plain processes.
 *
 * @param {Program} name
 * @param {string} target
 * @returns {string | undefined} why there is none; "" if no image has it
 */
function fromImage(name, target) {
  const { image } = /** @type {Source} */ (programs[name]);
  if (image === undefined) return "";
  if (!canUseContainers()) return "no Docker engine that runs programs of this system";
  const [from, path] = image();
  say(`${name}: taking it out of the image ${from}`);
  return keepInCache(target, {
    fill: (folder) => copyFromImage(from, path, join(folder, name)),
    file: name,
    check: (path) => whyUnusable(name, path),
  });
}

/**
 * @param {Program} name
 * @param {string} target
 * @returns {string | undefined} why there is none
 */
function fromPackage(name, target) {
  const { package: source, suite, file, linked } = /** @type {Source} */ (programs[name]);
  if (source === undefined || file === undefined) return "it is not installed";
  if (!hasDebianTools() && !canUseContainers()) return "no apt-get and dpkg-deb here to fetch a package";
  say(
    `${name}: downloading Debian's package ${source}${suite === undefined ? "" : ` (${suite})`}, without installing it`,
  );
  const check = (/** @type {string} */ path) => whyUnusable(name, path);
  if (linked !== undefined) return keepLinkedProgram(target, { package: source, file, ...linked }, check);
  return keepInCache(target, { fill: (folder) => unpackPackage(source, folder, { suite }), file, check });
}

/**
 * Finds several programs. A missing one does not stop the search for the others.
 *
 * @param {readonly Program[]} names
 * @returns {{ env: Record<string, string>, missing: ReadonlyMap<Program, string> }} `env`: variable and path of each that
 *   was found; `missing`: a line with the remedy for each other
 */
export function findAll(names) {
  /** @type {Record<string, string>} */
  const env = {};
  /** @type {Map<Program, string>} */
  const missing = new Map();
  for (const name of names) {
    try {
      env[variableOf(name)] = find(name);
      say(`${variableOf(name)}=${env[variableOf(name)]}`);
    } catch (error) {
      if (!(error instanceof ScriptError)) throw error;
      say(error.message);
      missing.set(name, error.message);
    }
  }
  return { env, missing };
}

/**
 * A Node of another major version. It comes from npm, which has binaries for each platform.
 *
 * @param {string} major
 * @returns {{ bin: string, version: string }} `version`: such as "22.23.3"
 * @throws {ScriptError} it cannot be installed, or does not run here
 */
export function findNode(major) {
  const folder = join(projectRoot, ".cache", "node", major);
  const name = `node-${process.platform}-${process.arch}`;
  const bin = join(folder, "node_modules", name, "bin", "node");
  if (!existsSync(bin)) {
    mkdirSync(folder, { recursive: true });
    say(`node: fetching ${name}@${major} from npm`);
    const [command, ...args] = npm("install", "--no-save", "--no-audit", "--no-fund", `--prefix=${folder}`);
    const { ok, reason } = capture(command, [...args, `${name}@${major}`], { cwd: folder });
    if (!ok) throw new ScriptError(`npm install ${name}@${major}: ${reason}`);
  }
  const { ok, stdout, reason } = capture(bin, ["--version"], { timeoutMs: 15_000 });
  if (!ok) throw new ScriptError(`${bin} does not run here: ${reason}`);
  return { bin, version: stdout.trim().replace(/^v/, "") };
}

/** Everything that the integration tests run. Version 3.5 is for the tests of `etcd2/v3` and of the fake. */
export const testPrograms = /** @type {const} */ (["etcd", "etcdctl", "nginx", "openssl", "consul", "etcd-3.5"]);
