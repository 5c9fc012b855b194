// npm run faults, election-safety, consul-safety: a test of npm test that looks for what is rare, for ten minutes or as long as said.
import { join } from "node:path";
import { build, checkNodeVersion, installDependencies, projectRoot, run, runMain, ScriptError, step } from "./run.mjs";
import { findTestServers } from "./servers/test-servers.mjs";

/** @type {Readonly<Record<string, { file: string, seconds: string }>>} the compiled test, and the variable that says how long */
const tests = {
  faults: { file: "integration/faults/faults.test.js", seconds: "FAULTS_SECONDS" },
  "consul-safety": { file: "integration/consul-safety.test.js", seconds: "ELECTION_SAFETY_SECONDS" },
  "election-safety": { file: "integration/election-safety.test.js", seconds: "ELECTION_SAFETY_SECONDS" },
};

async function longTest() {
  const test = tests[process.argv[2] ?? ""];
  if (test === undefined) throw new ScriptError(`which test? one of ${Object.keys(tests).join(", ")}`);
  checkNodeVersion();
  await step("install", installDependencies);
  await step("build", build);
  const seconds = process.env[test.seconds] ?? "600";
  const timeoutMs = Number(seconds) * 1_000 + 300_000;
  const env = { ...(await findTestServers()), ETCD_ENDPOINTS: undefined, [test.seconds]: seconds };
  return run(
    process.execPath,
    [
      "--enable-source-maps",
      "--test",
      `--test-timeout=${timeoutMs}`,
      "--test-reporter=spec",
      join(projectRoot, "dist", test.file),
    ],
    { env },
  );
}

runMain(import.meta.url, longTest);
