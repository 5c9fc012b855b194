// The Docker engine, where there is one: the cluster of docker-compose.yml, and the etcd binary out of its image.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { capture, projectRoot, run, ScriptError } from "../run.mjs";

/** The client endpoints that docker-compose.yml publishes. */
export const composeEndpoints = Object.freeze([
  "http://127.0.0.1:2379",
  "http://127.0.0.1:22379",
  "http://127.0.0.1:32379",
]);

/** Whether a Docker engine answers. */
export function hasDockerEngine() {
  return capture("docker", ["version", "--format", "{{.Server.Version}}"], { timeoutMs: 15_000 }).ok;
}

/** Starts the members of docker-compose.yml and waits until all are healthy. */
export async function composeUp() {
  await compose(["up", "-d", "--wait"]);
}

/** Stops the members of docker-compose.yml and removes their data. */
export async function composeDown() {
  await compose(["down", "-v"]);
}

/**
 * Copies the etcd of the image that docker-compose.yml names.
 *
 * @param {string} target path of the copy
 * @returns {string | undefined} why there is none, or undefined
 */
export function copyEtcdFromImage(target) {
  const image = composeImage();
  // create, not run: the image has no shell, and nothing of it needs to be started; pulls the image when it is not here
  const created = capture("docker", ["create", image]);
  const container = created.stdout.trim().split("\n").at(-1);
  if (!created.ok || !container) return `docker create ${image}: ${created.reason}`;
  const copied = capture("docker", ["cp", `${container}:/usr/local/bin/etcd`, target]);
  capture("docker", ["rm", container]);
  return copied.ok ? undefined : `docker cp out of ${image}: ${copied.reason}`;
}

/** The image of docker-compose.yml, chosen as compose does; read from the file, so that the plugin is not needed. */
function composeImage() {
  const [, fallback] =
    /^\s*image: \$\{ETCD_IMAGE:-(\S+)\}/m.exec(readFileSync(join(projectRoot, "docker-compose.yml"), "utf8")) ?? [];
  const image = process.env["ETCD_IMAGE"] || fallback;
  if (image === undefined)
    throw new ScriptError("docker-compose.yml names no image of the form ${ETCD_IMAGE:-...}: put one back");
  return image;
}

/** @param {readonly string[]} args */
async function compose(args) {
  const file = ["-f", join(projectRoot, "docker-compose.yml")];
  const [command, ...prefix] = composeCommand();
  const code = await run(command, [...prefix, ...file, ...args]);
  if (code !== 0)
    throw new ScriptError(`docker compose ${args.join(" ")} failed (exit code ${code}): see its output above`);
}

/** @returns {[string, ...string[]]} */
function composeCommand() {
  if (capture("docker", ["compose", "version"]).ok) return ["docker", "compose"];
  // Version 2 runs by itself too; version 1 knows no --wait.
  if (/\bv?2\.\d/.test(capture("docker-compose", ["version", "--short"]).stdout)) return ["docker-compose"];
  throw new ScriptError(
    "docker has no compose plugin: install it (docker-compose-plugin of Docker's packages, docker-compose 2.x of Debian 13)",
  );
}
