// An nginx binary for the tests that put a real proxy in front of etcd.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { findOnPath, hasDebianTools, keepInCache, unpackPackage } from "./packages.mjs";
import { capture, projectRoot, say, ScriptError } from "../run.mjs";

const cachedNginx = join(projectRoot, ".cache", "nginx", "nginx");

/**
 * Path of an nginx binary: NGINX_BIN, then PATH and where Debian puts it, then one unpacked earlier, then Debian's package,
 * unpacked: an install would start it on port 80.
 *
 * @param {{ log?: import("../run.mjs").Log | undefined }} [options]
 * @returns {string}
 * @throws {ScriptError} when there is none: one line with the remedy
 */
export function findNginx({ log = say } = {}) {
  const named = process.env["NGINX_BIN"];
  if (named) {
    const problem = whyUnusable(named);
    if (problem !== undefined)
      throw new ScriptError(`NGINX_BIN is "${named}", and ${problem}: set it to the path of an nginx`);
    return named;
  }
  const found = [findOnPath("nginx"), "/usr/sbin/nginx", cachedNginx].find(
    (path) => path !== undefined && existsSync(path) && whyUnusable(path) === undefined,
  );
  if (found !== undefined) return found;
  if (hasDebianTools()) {
    log("nginx: downloading Debian's package, without installing it");
    const problem = keepInCache(cachedNginx, {
      fill: (folder) => unpackPackage("nginx", folder),
      file: join("usr", "sbin", "nginx"),
      check: whyUnusable,
    });
    if (problem === undefined) return cachedNginx;
    log(`nginx: ${problem}`);
  }
  throw new ScriptError(
    "no nginx found: install it (apt-get install nginx-light, brew install nginx), or set NGINX_BIN to one",
  );
}

/** @param {string} bin */
function whyUnusable(bin) {
  return capture(bin, ["-v"], { timeoutMs: 15_000 }).ok ? undefined : "it does not run here as nginx";
}
