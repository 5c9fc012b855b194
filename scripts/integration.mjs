// npm run integration: the integration tests against a cluster that runs already: ETCD_ENDPOINTS, or docker-compose.yml's.
import { composeEndpoints, composeUp, hasDockerEngine } from "./servers/docker.mjs";
import { build, checkNodeVersion, installDependencies, runMain, say, ScriptError, step } from "./run.mjs";
import { runTests } from "./test-run.mjs";
import { findTestServers } from "./servers/test-servers.mjs";
import { endpointsFromEnv, endpointState, waitForCluster } from "./servers/wait-for-cluster.mjs";

async function integration() {
  checkNodeVersion();
  await step("install", installDependencies);
  await step("build", build);
  const named = endpointsFromEnv();
  const endpoints = named.length > 0 ? named : composeEndpoints;
  // Tests that kill, freeze or replace members start their own, whatever cluster there is.
  /** @type {NodeJS.ProcessEnv} */
  const env = { ETCD_ENDPOINTS: endpoints.join(",") };
  await step("find servers", async () => {
    Object.assign(env, await findTestServers());
  });
  await step("wait for the cluster", async () => {
    if (named.length === 0) await startCompose();
    await waitForCluster(endpoints);
  });
  const { passed, failed } = await runTests("integration", { env });
  say(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

async function startCompose() {
  const states = await Promise.all(composeEndpoints.map(endpointState));
  if (states.every((state) => state === "ready")) return;
  if (!hasDockerEngine()) {
    throw new ScriptError(
      `no cluster on ${composeEndpoints.join(",")} and no Docker engine to start one: start Docker, or name a cluster in ETCD_ENDPOINTS`,
    );
  }
  await composeUp();
  say("started with docker compose and left running: docker compose down -v ends it");
}

runMain(import.meta.url, integration);
