// npm run quickstart: from a clean clone to examples/quickstart.ts at work on a real etcd, and everything cleaned up.
import { composeDown, composeEndpoints, composeUp, hasDockerEngine } from "./servers/docker.mjs";
import { findEtcd, startCluster } from "./servers/etcd.mjs";
import { build, checkNodeVersion, installDependencies, run, runMain, say, ScriptError, step } from "./run.mjs";
import { endpointState } from "./servers/probe.mjs";

async function quickstart() {
  checkNodeVersion();
  await step("install", installDependencies);
  await step("build", build);
  /** @type {Awaited<ReturnType<typeof startEtcd>> | undefined} */
  let etcd;
  try {
    await step("start etcd", async () => {
      etcd = await startEtcd();
      say(`etcd: ${etcd.endpoints.join(",")}`);
    });
    return await run(process.execPath, ["dist/examples/quickstart.js"], {
      env: { ETCD_ENDPOINTS: etcd?.endpoints.join(",") },
    });
  } finally {
    await etcd?.stop();
  }
}

/** @returns {Promise<{ endpoints: readonly string[], stop(): Promise<void> }>} */
async function startEtcd() {
  let bin;
  try {
    bin = await findEtcd();
  } catch (error) {
    // Docker's binary is Linux's: elsewhere the whole cluster has to stay in Docker.
    if (!(error instanceof ScriptError) || process.platform === "linux" || !hasDockerEngine()) throw error;
    const ready = (await Promise.all(composeEndpoints.map(endpointState))).every((state) => state === "ready");
    if (!ready) await composeUp();
    return { endpoints: composeEndpoints, stop: async () => (ready ? undefined : composeDown()) };
  }
  return startCluster({ bin });
}

runMain(import.meta.url, quickstart);
