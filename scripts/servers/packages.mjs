// Programs of this machine, and Debian's packages unpacked beside it: nothing is installed, no service starts.
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";
import { capture } from "../run.mjs";

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
 * Downloads a Debian package, its signature checked by apt, and unpacks it into the folder.
 *
 * @param {string} name
 * @param {string} folder
 * @param {{ suite?: string | undefined }} [options] `suite`: of another Debian release than this machine's, through lists
 *   and settings of our own, so that those of the machine stay as they are
 * @returns {string | undefined} why it could not
 */
export function unpackPackage(name, folder, { suite } = {}) {
  if (!hasDebianTools()) return "no apt-get and dpkg-deb here";
  /** @type {readonly string[]} */
  let view = [];
  if (suite !== undefined) {
    const mirror = debianMirror();
    if (mirror === undefined) return "this machine's apt names no Debian mirror";
    view = aptView(join(folder, "apt"), mirror, suite);
    const updated = capture("apt-get", ["-q", ...view, "update"], { cwd: folder, timeoutMs: aptTimeoutMs });
    if (!updated.ok) return `apt-get update for ${suite}: ${updated.reason}`;
  }
  // root's downloads are otherwise handed to the user _apt, who may not write here
  const download = () =>
    capture("apt-get", ["-q", "-o", "APT::Sandbox::User=root", ...view, "download", name], {
      cwd: folder,
      timeoutMs: aptTimeoutMs,
    });
  let downloaded = download();
  if (!downloaded.ok && isRoot() && suite === undefined) {
    // no package lists yet, or stale ones
    capture("apt-get", ["-q", "-o", "DPkg::Lock::Timeout=300", "update"]);
    downloaded = download();
  }
  const file = readdirSync(folder).find((each) => each.endsWith(".deb"));
  if (!downloaded.ok || file === undefined)
    return `apt-get download ${name}: ${downloaded.ok ? "no package came" : downloaded.reason}`;
  const unpacked = capture("dpkg-deb", ["-x", file, "."], { cwd: folder });
  return unpacked.ok ? undefined : `dpkg-deb -x ${file}: ${unpacked.reason}`;
}

/** Long enough for a slow mirror, short enough where there is no network. */
const aptTimeoutMs = 120_000;

/**
 * Options by which apt sees one suite only, with lists, cache and state of its own.
 *
 * @param {string} folder
 * @param {string} mirror
 * @param {string} suite
 */
function aptView(folder, mirror, suite) {
  for (const each of ["lists/partial", "cache/archives/partial", "state"])
    mkdirSync(join(folder, each), { recursive: true });
  writeFileSync(join(folder, "state", "status"), "");
  const architecture = capture("dpkg", ["--print-architecture"]).stdout.trim();
  // signatures are checked, with the keys of the system's own Debian
  writeFileSync(
    join(folder, "sources.list"),
    `deb [arch=${architecture} signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror} ${suite} main\n`,
  );
  const settings = {
    "Dir::Etc::sourcelist": join(folder, "sources.list"),
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::Etc::preferences": "/dev/null",
    "Dir::Etc::preferencesparts": "/dev/null",
    "Dir::State": join(folder, "state"),
    "Dir::State::lists": join(folder, "lists"),
    "Dir::State::status": join(folder, "state", "status"),
    "Dir::Cache": join(folder, "cache"),
    "APT::Sandbox::User": "root",
    "Acquire::Retries": "1",
    "Acquire::http::Timeout": "20",
    "Acquire::Languages": "none",
    "Debug::NoLocking": "1",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

/** The mirror that this machine is set up with: from the one-line sources, and from the newer ones in paragraphs. */
function debianMirror() {
  const parts = "/etc/apt/sources.list.d";
  const files = [
    "/etc/apt/sources.list",
    ...(existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : []),
  ];
  const lines = files
    .filter((file) => existsSync(file))
    .flatMap((file) => readFileSync(file, "utf8").match(/^(?:deb\s|URIs:).*$/gm) ?? []);
  return lines
    .join(" ")
    .match(/\bhttps?:\/\/\S+/g)
    ?.find((url) => /\/debian\/?$/.test(url));
}

/**
 * Fills a folder of its own and moves one file of it into the cache in one go, since several processes may do so at once.
 *
 * @param {string} target where the file is kept
 * @param {{ fill: (folder: string) => string | undefined, file?: string, check: (path: string) => string | undefined }} how
 *   `fill` and `check` return what is wrong; `file` is where `fill` leaves it
 * @returns {string | undefined} why it could not
 */
export function keepInCache(target, { fill, file = basename(target), check }) {
  mkdirSync(dirname(target), { recursive: true });
  const folder = mkdtempSync(join(dirname(target), "new-"));
  try {
    const problem = fill(folder) ?? check(join(folder, file));
    if (problem === undefined) renameSync(join(folder, file), target);
    return problem;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function isRoot() {
  return process.getuid?.() === 0;
}
