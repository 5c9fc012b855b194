// npm test: everything, from a clean clone. Stops at the first step that fails, but runs both kinds of tests.
import { clean } from "./clean.mjs";
import { build, checkNodeVersion, installDependencies, runMain, runTool, say, step } from "./run.mjs";
import { runTests, runTestsOverUndici } from "./test-run.mjs";
import { findTestServers } from "./servers/test-servers.mjs";

async function test() {
  checkNodeVersion();
  await step("install", installDependencies);
  await step("build", () => {
    clean();
    return build();
  });
  await step("lint", () => runTool("eslint/bin/eslint.js", ["."]));
  await step("format", () => runTool("prettier/bin/prettier.cjs", ["--check", "--log-level", "warn", "."]));
  await step("unused exports", () => runTool("knip/bin/knip.js", []));
  // Every test file starts the members it needs: not those of some cluster that the environment names.
  /** @type {NodeJS.ProcessEnv} */
  const env = { ETCD_ENDPOINTS: undefined };
  await step("find servers", async () => {
    Object.assign(env, await findTestServers());
  });
  const sums = { passed: 0, failed: 0 };
  for (const [title, folder, runThem] of /** @type {const} */ ([
    ["unit tests", "src", runTests],
    ["unit tests over undici", "src", runTestsOverUndici],
    ["integration tests", "integration", runTests],
    ["integration tests over undici", "integration", runTestsOverUndici],
  ])) {
    await step(title, async () => {
      const { passed, failed } = await runThem(folder, { env });
      sums.passed += passed;
      sums.failed += failed;
    });
  }
  say(`${sums.passed} passed, ${sums.failed} failed`);
  return sums.failed === 0 && sums.passed > 0 ? 0 : 1;
}

runMain(import.meta.url, test);
