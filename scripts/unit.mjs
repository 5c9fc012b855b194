// npm run unit: the unit tests on what is built; they need no server.
import { runMain } from "./run.mjs";
import { runTests } from "./test-run.mjs";

runMain(import.meta.url, async () => {
  const { passed, failed } = await runTests("src");
  return failed === 0 && passed > 0 ? 0 : 1;
});
