// Programs of Debian that need shared libraries, run with Debian's own.
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { keepInCache } from "./cache.mjs";
import { unpackPackage } from "./packages.mjs";

/**
 * @typedef {object} LinkedProgram
 * @property {string} package the Debian package that has it
 * @property {string} file its path, without the first slash
 * @property {Readonly<Record<string, string>>} [variables] environment variables that it needs, and the path that each names
 */

/**
 * Makes `target` a shell script that runs a program of Debian, whatever libraries this machine has. The program and all that
 * its package depends on are kept beside it, in `target`.files.
 *
 * @param {string} target
 * @param {LinkedProgram} program
 * @param {(path: string) => string | undefined} check why the program cannot be used, if it cannot
 * @returns {string | undefined} why there is none
 */
export function keepLinkedProgram(target, { package: name, file, variables = {} }, check) {
  const files = `${target}.files`;
  // what is there stays: several processes may do this at once
  const problem = existsSync(files) ? undefined : keepPackage(name, files);
  if (problem !== undefined) return problem;
  const settings = Object.entries(variables).map(([variable, path]) => `export ${variable}="$files/${path}"\n`);
  const libraries = libraryFolders(files).map((path) => `$files/${path}`);
  const launcher = `#!/bin/sh
files=$0.files
${settings.join("")}exec "$files/${loaderIn(files)}" --library-path "${libraries.join(":")}" "$files/${file}" "$@"
`;
  const unusable = keepInCache(target, {
    fill: (folder) => {
      writeFileSync(join(folder, basename(target)), launcher, { mode: 0o755 });
      // it is tried here, where it needs its files beside it
      symlinkSync(files, join(folder, basename(files)));
      return undefined;
    },
    check,
  });
  if (unusable !== undefined) rmSync(files, { recursive: true, force: true });
  return unusable;
}

/**
 * @param {string} name
 * @param {string} target the folder that keeps the package with all that it depends on
 */
function keepPackage(name, target) {
  return keepInCache(target, {
    fill: (folder) => {
      const unpacked = join(folder, "unpacked");
      mkdirSync(unpacked);
      return unpackPackage(name, unpacked, { withDependencies: true });
    },
    file: "unpacked",
    check: (path) => (loaderIn(path) === undefined ? `libc6 did not come with ${name}` : undefined),
  });
}

/** Where the packages of a system put shared libraries: usr/lib/x86_64-linux-gnu. @param {string} files */
function libraryFolders(files) {
  return ["lib", "usr/lib"]
    .filter((folder) => existsSync(join(files, folder)))
    .flatMap((folder) => readdirSync(join(files, folder)).map((name) => join(folder, name)))
    .filter((path) => basename(path).includes("-linux-gnu"));
}

/** The program that loads shared libraries. @param {string} files */
function loaderIn(files) {
  return libraryFolders(files)
    .flatMap((folder) => readdirSync(join(files, folder)).map((name) => join(folder, name)))
    .find((path) => basename(path).startsWith("ld-linux"));
}
