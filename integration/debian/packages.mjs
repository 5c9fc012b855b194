// Programs on the PATH, and Debian packages, which are unpacked without installing them: no service starts.
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { capture } from "../../scripts/run.mjs";
import { canUseContainers, unpackInContainer } from "./containers.mjs";

/**
 * @param {string} name
 * @returns {string | undefined} the path of the first program of that name on the PATH
 */
export function findOnPath(name) {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter).filter((entry) => entry !== "")) {
    const path = join(folder, process.platform === "win32" ? `${name}.exe` : name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not in this folder
    }
  }
  return undefined;
}

/** Whether this machine can download and unpack Debian's packages. */
export function hasDebianTools() {
  return findOnPath("apt-get") !== undefined && findOnPath("dpkg-deb") !== undefined;
}

/**
 * Downloads a Debian package, or several, and unpacks them into the folder. apt checks their signatures. It works without
 * root and with empty package lists: if the machine's lists do not have the package, apt fetches lists into the folder. Without
 * apt, but with Docker, a container of Debian does the same.
 *
 * @param {string | readonly string[]} name
 * @param {string} folder
 * @param {{ suite?: string | undefined, withDependencies?: boolean | undefined }} [options] `suite`: a Debian release other than
 *   this machine's; `withDependencies`: with all that it depends on
 * @returns {string | undefined} why it could not
 */
export function unpackPackage(name, folder, { suite, withDependencies = false } = {}) {
  const names = [name].flat();
  if (!hasDebianTools()) {
    return canUseContainers()
      ? unpackInContainer(names, folder, { suite, withDependencies })
      : "neither apt-get and dpkg-deb nor a Docker engine here to fetch a package";
  }
  const apt = (/** @type {readonly string[]} */ ...args) =>
    capture("apt-get", ["-q", "-o", "APT::Sandbox::User=root", ...args], {
      cwd: folder,
      // apt's own English, in which failures are looked for
      env: { LC_ALL: "C" },
      timeoutMs: aptTimeoutMs,
    });
  const fetch = withDependencies
    ? [...emptySystem(folder), "install", "-y", "--download-only", "--no-install-recommends", ...names]
    : ["download", ...names];
  let download = suite === undefined ? apt(...fetch) : undefined;
  if (download?.ok !== true) {
    if (unreachable !== undefined) return unreachable;
    const sources = suite === undefined ? [] : sourcesOf(suite, folder);
    if (sources === undefined) return "the apt of this machine names no Debian mirror";
    const view = [...sources, ...emptySystem(folder), ...ownLists(folder)];
    const updated = apt(...view, "update");
    if (!updated.ok) return `apt-get update${suite === undefined ? "" : ` for ${suite}`}: ${updated.reason}`;
    download = apt(...view, ...fetch);
    // apt succeeds even if it gets no list, and then reports that there is no such package
    const [cause] = download.ok ? [] : (networkFailure.exec(updated.stdout + updated.stderr) ?? []);
    if (cause !== undefined) return (unreachable = `no list of packages came: ${cause} (is this machine offline?)`);
  }
  const from = withDependencies ? join("apt", "archives") : ".";
  const files = readdirSync(join(folder, from))
    .filter((each) => each.endsWith(".deb"))
    .map((each) => join(from, each));
  if (!download.ok || files.length < names.length)
    return `apt-get download ${names.join(" ")}: ${download.ok ? "a package did not come" : download.reason}`;
  for (const file of files) {
    const unpacked = capture("dpkg-deb", ["-x", file, "."], { cwd: folder });
    if (!unpacked.ok) return `dpkg-deb -x ${file}: ${unpacked.reason}`;
  }
  for (const each of [...files, "apt", "sources.list"]) rmSync(join(folder, each), { recursive: true, force: true });
  return undefined;
}

/** How apt reports that it cannot reach a mirror. */
const networkFailure =
  /(?:Temporary failure resolving|Could not resolve|Could not connect to|Cannot initiate the connection to|Unable to connect to).*/;

/** Why the mirror cannot be reached, once that is known: another try would only take time. @type {string | undefined} */
let unreachable;

/** Long enough for a slow mirror, short enough where there is no network. */
const aptTimeoutMs = 240_000;

/**
 * Options with which nothing seems to be installed, and that make apt leave packages in the folder.
 *
 * @param {string} folder
 */
function emptySystem(folder) {
  for (const each of ["cache", "archives/partial"]) mkdirSync(join(folder, "apt", each), { recursive: true });
  writeFileSync(join(folder, "apt", "nothing"), "");
  return flags({
    "Dir::State::status": join(folder, "apt", "nothing"),
    "Dir::Cache": join(folder, "apt", "cache"),
    "Dir::Cache::archives": join(folder, "apt", "archives"),
    "Debug::NoLocking": "1",
  });
}

/**
 * Options that make apt keep its lists in the folder, and leave the machine's alone.
 *
 * @param {string} folder
 */
function ownLists(folder) {
  for (const each of ["lists/partial", "state"]) mkdirSync(join(folder, "apt", each), { recursive: true });
  return flags({
    "Dir::State": join(folder, "apt", "state"),
    "Dir::State::lists": join(folder, "apt", "lists"),
    "Acquire::Retries": "1",
    "Acquire::http::Timeout": "20",
    "Acquire::Languages": "none",
  });
}

/**
 * Options that make apt see one Debian suite only; undefined when this machine has no Debian mirror configured.
 *
 * @param {string} suite
 * @param {string} folder
 */
function sourcesOf(suite, folder) {
  const parts = "/etc/apt/sources.list.d";
  const listed = existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [];
  // both formats: one line per source, and the newer deb822 paragraphs
  const lines = ["/etc/apt/sources.list", ...listed]
    .filter((file) => existsSync(file))
    .flatMap((file) => readFileSync(file, "utf8").match(/^(?:deb\s|URIs:).*$/gm) ?? []);
  const urls = lines.join(" ").match(/\bhttps?:\/\/\S+/g);
  const mirror = urls?.find((url) => /\/debian\/?$/.test(url));
  if (mirror === undefined) return undefined;
  const architecture = capture("dpkg", ["--print-architecture"]).stdout.trim();
  const list = join(folder, "sources.list");
  // the system's Debian keys check the signatures
  const key = "/usr/share/keyrings/debian-archive-keyring.gpg";
  writeFileSync(list, `deb [arch=${architecture} signed-by=${key}] ${mirror} ${suite} main\n`);
  return flags({
    "Dir::Etc::sourcelist": list,
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::Etc::preferences": "/dev/null",
    "Dir::Etc::preferencesparts": "/dev/null",
  });
}

/** @param {Readonly<Record<string, string>>} settings */
function flags(settings) {
  return Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}
