// The Docker engine, if there is one: the cluster of docker-compose.yml, and programs out of images.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { capture, projectRoot, run, ScriptError } from "../run.mjs";

/** The client endpoints that docker-compose.yml publishes. */
export const composeEndpoints = Object.freeze([
  "http://127.0.0.1:2379",
  "http://127.0.0.1:22379",
  "http://127.0.0.1:32379",
]);

/** Whether a Docker engine is running. */
export function hasDockerEngine() {
  return capture("docker", ["version", "--format", "{{.Server.Version}}"], { timeoutMs: 15_000 }).ok;
}

/**
 * Copies a program out of an image. It must be one that needs no library of the image.
 *
 * @param {string} image
 * @param {string} path of the program in the image
 * @param {string} target path of the copy
 * @returns {string | undefined} why there is none, or undefined
 */
export function copyFromImage(image, path, target) {
  // create, not run: nothing has to be started, and the image has no shell. Pulls the image if necessary.
  const created = capture("docker", ["create", image]);
  const container = created.stdout.trim().split("\n").at(-1);
  if (!created.ok || !container) return `docker create ${image}: ${created.reason}`;
  const copied = capture("docker", ["cp", `${container}:${path}`, target]);
  capture("docker", ["rm", container]);
  return copied.ok ? undefined : `docker cp out of ${image}: ${copied.reason}`;
}

/** The image of docker-compose.yml, chosen as compose chooses it. Read from the file, so that the compose plugin is not needed. */
export function composeImage() {
  const [, fallback] =
    /^\s*image: \$\{ETCD_IMAGE:-(\S+)\}/m.exec(readFileSync(join(projectRoot, "docker-compose.yml"), "utf8")) ?? [];
  const image = process.env["ETCD_IMAGE"] || fallback;
  if (image === undefined)
    throw new ScriptError("docker-compose.yml names no image of the form ${ETCD_IMAGE:-...}: put one back");
  return image;
}

/** Runs docker compose with docker-compose.yml. @param {string[]} args */
export async function compose(...args) {
  const [command, ...prefix] = composeCommand();
  const code = await run(command, [...prefix, "-f", join(projectRoot, "docker-compose.yml"), ...args]);
  if (code !== 0)
    throw new ScriptError(`docker compose ${args.join(" ")} failed (exit code ${code}): see its output above`);
}

/** @returns {[string, ...string[]]} */
function composeCommand() {
  if (capture("docker", ["compose", "version"]).ok) return ["docker", "compose"];
  // Version 2 also exists as a program of its own; version 1 has no --wait.
  if (/\bv?2\.\d/.test(capture("docker-compose", ["version", "--short"]).stdout)) return ["docker-compose"];
  throw new ScriptError(
    "docker has no compose plugin: install it (docker-compose-plugin of Docker's packages, docker-compose 2.x of Debian 13)",
  );
}
