// npm run test:nodes: unit and integration tests under other Node versions, on what this Node has built.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, capture, checkNodeVersion, installDependencies, projectRoot, run, runMain, say, step } from "./run.mjs";
import { runTests } from "./test-run.mjs";
import { findTestServers } from "./servers/test-servers.mjs";

/** Major versions, beside the one that runs this. */
const majors = Object.freeze([22, 24]);

const cacheFolder = join(projectRoot, ".cache", "node");

async function testNodes() {
  // the other Node runs this same file, with the place for its counts
  const [resultFile] = process.argv.slice(2);
  if (resultFile !== undefined) return testHere(resultFile);
  checkNodeVersion();
  await step("install", installDependencies);
  await step("build", build);
  const servers = await findTestServers();
  const scratch = mkdtempSync(join(tmpdir(), "etcd2-test-nodes-"));
  /** @type {[node: string, result: string][]} */
  const table = [];
  let bad = 0;
  try {
    for (const major of majors) {
      const found = findNode(major);
      if ("problem" in found) {
        table.push([`v${major}`, `not to be had: ${found.problem}`]);
        bad++;
        continue;
      }
      say(`== tests under Node ${found.version}`);
      // first on the PATH too, for tests that start programs
      const PATH = `${dirname(found.bin)}${delimiter}${process.env["PATH"] ?? ""}`;
      const file = join(scratch, String(major));
      const code = await run(found.bin, [fileURLToPath(import.meta.url), file], {
        env: { ...servers, PATH, ETCD_ENDPOINTS: undefined },
      });
      table.push([found.version, existsSync(file) ? readFileSync(file, "utf8") : `ended early (exit code ${code})`]);
      if (code !== 0) bad++;
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  say(`\n${"Node".padEnd(10)} unit and integration tests`);
  for (const [node, result] of table) say(`${node.padEnd(10)} ${result}`);
  return bad === 0 ? 0 : 1;
}

/** @param {string} resultFile */
async function testHere(resultFile) {
  const unit = await runTests("src");
  const integration = await runTests("integration");
  const [passed, failed] = [unit.passed + integration.passed, unit.failed + integration.failed];
  writeFileSync(resultFile, `${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

/**
 * Node of that major version, from the cache or from npm, where the package `node` has its binaries.
 *
 * @param {number} major
 * @returns {{ bin: string, version: string } | { problem: string }}
 */
function findNode(major) {
  const folder = join(cacheFolder, String(major));
  const name = `node-${process.platform}-${process.arch}`;
  const bin = join(folder, "node_modules", name, "bin", "node");
  if (!existsSync(bin)) {
    mkdirSync(folder, { recursive: true });
    say(`node: fetching ${name}@${major} from npm`);
    const args = ["install", "--no-save", "--no-audit", "--no-fund", "--prefix", folder, `${name}@${major}`];
    const npm = process.env["npm_execpath"];
    const { ok, reason } =
      npm === undefined
        ? capture("npm", args, { cwd: folder })
        : capture(process.execPath, [npm, ...args], { cwd: folder });
    if (!ok) return { problem: `npm install ${name}@${major}: ${reason}` };
  }
  const { ok, stdout } = capture(bin, ["--version"], { timeoutMs: 15_000 });
  return ok ? { bin, version: stdout.trim() } : { problem: `${bin} does not run here` };
}

runMain(import.meta.url, testNodes);
