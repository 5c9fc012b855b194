// Debian's packages on a machine without apt: a container of Debian fetches them.
import { closeSync, mkdirSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { capture, say } from "../run.mjs";
import { keepInCache } from "./cache.mjs";
import { hasDockerEngine } from "./docker.mjs";

/** Whether containers can fetch programs for this machine: a Docker engine runs, and its programs are of this system. */
export function canUseContainers() {
  return process.platform === "linux" && hasDockerEngine();
}

/**
 * Unpacks Debian packages into the folder, without those that they depend on.
 *
 * @param {string | readonly string[]} names
 * @param {string} folder
 * @param {{ suite?: string | undefined }} [options] `suite`: a Debian release other than bookworm
 * @returns {string | undefined} why it could not
 */
export function unpackInContainer(names, folder, { suite } = {}) {
  const script = `
    mkdir /packages
    cd /packages
    apt-get -q download "$@"
    for package in *.deb; do dpkg-deb -x "$package" /out; done`;
  const packages = [names].flat();
  return takeFromContainer(folder, { packages, suite, script });
}

/**
 * @typedef {object} LinkedProgram a program that needs shared libraries
 * @property {string} package the Debian package that has it
 * @property {string} file its path, without the first slash
 * @property {readonly string[]} [others] further paths that it needs
 * @property {Readonly<Record<string, string>>} [variables] environment variables, and the path that each names
 */

/**
 * Makes `target` a shell script that runs a program of Debian, whatever libraries this machine has. The program, its libraries
 * and their loader are kept beside it, in `target`.files.
 *
 * @param {string} target
 * @param {LinkedProgram} program
 * @param {(path: string) => string | undefined} check why the program cannot be used, if it cannot
 * @returns {string | undefined} why there is none
 */
export function keepLinkedProgram(target, { package: name, file, others = [], variables = {} }, check) {
  const script = `
    apt-get -q install -y --no-install-recommends "$1"
    cd /
    cp -L --parents "$2" /out
    shift 2
    for path in "$@"; do cp -a --parents "$path" /out; done
    mkdir /out/libraries
    find /out -type f -exec ldd {} + 2>/dev/null | sed -n 's!^[^/]*\\(/[^ ]*\\) (0x.*!\\1!p' | sort -u |
      while read -r path; do
        case $path in */ld-*) name=loader ;; *) name=\${path##*/} ;; esac
        cp -L "$path" "/out/libraries/$name"
      done`;
  const files = `${target}.files`;
  rmSync(files, { recursive: true, force: true });
  const problem = keepInCache(files, {
    fill: (folder) => {
      mkdirSync(join(folder, "files"));
      return takeFromContainer(join(folder, "files"), { packages: [name], paths: [file, ...others], script });
    },
    file: "files",
    check: () => undefined,
  });
  if (problem !== undefined) return problem;
  const settings = Object.entries(variables).map(([variable, path]) => `export ${variable}="$files/${path}"\n`);
  const launcher = `#!/bin/sh
files=$0.files
${settings.join("")}exec "$files/libraries/loader" --library-path "$files/libraries" "$files/${file}" "$@"
`;
  return keepInCache(target, {
    fill: (folder) => {
      writeFileSync(join(folder, basename(target)), launcher, { mode: 0o755 });
      // to be tried here, it needs its files beside it
      symlinkSync(files, join(folder, basename(files)));
      return undefined;
    },
    check,
  });
}

/**
 * Runs a shell script in a container of Debian, with fresh lists of packages. Copies what it puts into /out into the folder.
 *
 * @param {string} folder
 * @param {{ packages: readonly string[], paths?: readonly string[], script: string, suite?: string | undefined }} what
 *   `packages` and `paths` are the script's arguments
 * @returns {string | undefined} why it could not
 */
function takeFromContainer(folder, { packages, paths = [], script, suite = "bookworm" }) {
  const image = `debian:${suite}-slim`;
  say(`a container of the image ${image} fetches ${packages.join(" ")}`);
  const archive = join(folder, "out.tar");
  const output = openSync(archive, "w");
  // stdout is the archive; an error of apt-get update is one, not a warning
  const all = `
    exec 3>&1 >&2
    mkdir /out
    apt-get -q -o APT::Update::Error-Mode=any update
    ${script}
    tar -C /out -c . >&3`;
  try {
    // --rm: a container that was left alone goes when its script has ended
    const command = ["run", "--rm", "--env=DEBIAN_FRONTEND=noninteractive", image, "sh", "-euc", all, "sh"];
    const { ok, reason } = capture("docker", [...command, ...packages, ...paths], { stdout: output });
    if (!ok) return `docker run ${image}: ${reason}`;
  } finally {
    closeSync(output);
  }
  const unpacked = capture("tar", ["-xf", archive, "-C", folder]);
  rmSync(archive);
  return unpacked.ok ? undefined : `tar: ${unpacked.reason}`;
}
