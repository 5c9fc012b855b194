// Debian's packages on a machine without apt: a container of Debian fetches them.
import { closeSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { capture, say } from "../../scripts/run.mjs";
import { hasDockerEngine } from "../../scripts/servers/docker.mjs";

/** Whether containers can fetch programs for this machine: a Docker engine runs, and its programs are of this system. */
export function canUseContainers() {
  return process.platform === "linux" && hasDockerEngine();
}

/**
 * Unpacks Debian packages into the folder.
 *
 * @param {readonly string[]} names
 * @param {string} folder
 * @param {{ suite?: string | undefined, withDependencies?: boolean | undefined }} [options] `suite`: a Debian release other than
 *   bookworm; `withDependencies`: with all that they depend on
 * @returns {string | undefined} why it could not
 */
export function unpackInContainer(names, folder, { suite = "bookworm", withDependencies = false } = {}) {
  const image = `debian:${suite}-slim`;
  say(`a container of the image ${image} fetches ${names.join(" ")}`);
  // as if nothing was installed
  const install =
    "-o Dir::State::status=/nothing -o Dir::Cache::archives=/packages/ install -y --download-only --no-install-recommends";
  // its stdout is the archive; an error of apt-get update is one, not a warning
  const script = `
    exec 3>&1 >&2
    mkdir -p /packages/partial /out
    : > /nothing
    cd /packages
    apt-get -q -o APT::Update::Error-Mode=any update
    apt-get -q -o APT::Sandbox::User=root ${withDependencies ? install : "download"} "$@"
    for package in *.deb; do dpkg-deb -x "$package" /out; done
    tar -C /out -c . >&3`;
  const archive = join(folder, "out.tar");
  const output = openSync(archive, "w");
  try {
    // --rm: a container that was left alone goes when its script has ended
    const args = ["run", "--rm", "--env=DEBIAN_FRONTEND=noninteractive", image, "sh", "-euc", script, "sh", ...names];
    const { ok, reason } = capture("docker", args, { stdout: output });
    if (!ok) return `docker run ${image}: ${reason}`;
  } finally {
    closeSync(output);
  }
  const unpacked = capture("tar", ["-xf", archive, "-C", folder]);
  rmSync(archive);
  return unpacked.ok ? undefined : `tar: ${unpacked.reason}`;
}
