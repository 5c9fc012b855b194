import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { clusterForTests } from "../support.js";
import { cjsProgram, consumers, esmProgram, expectedOutput, projectIn, run } from "./support.js";

const cluster = clusterForTests("consumers-runtimes");

/** Bun's and Deno's binaries come from packages for each system. */
function binary(scope: string, name: string): string {
  const folder = join(consumers, "node_modules", scope);
  const [first] = readdirSync(folder);
  if (first === undefined) throw new Error(`${folder} is empty`);
  return join(folder, first, scope === "@oven" ? "bin" : "", name);
}

const runtimes = [
  { title: "Node", command: () => process.execPath, args: [], transports: ["got", "undici"] },
  // Bun replaces undici by its own module, which lacks what etcd2/undici needs
  { title: "Bun", command: () => binary("@oven", "bun"), args: [], transports: ["got"] },
  {
    title: "Deno",
    command: () => binary("@deno", "deno"),
    args: ["run", "--allow-all"],
    transports: ["got", "undici"],
  },
] as const;

for (const { title, command, args, transports } of runtimes) {
  for (const [format, program] of [
    ["app.mjs", esmProgram],
    ["app.cjs", cjsProgram],
  ] as const) {
    test(`${title} sets, gets and watches over ${transports.join(" and ")}: ${format}`, async (t) => {
      const folder = projectIn(t, { [format]: program });
      const env = { ENDPOINT: cluster.endpoints[0], TRANSPORTS: String(transports.length) };
      const { stdout } = await run(command(), [...args, format], { cwd: folder, env });
      assert.equal(
        stdout,
        expectedOutput
          .split("\n")
          .slice(0, transports.length)
          .map((line) => `${line}\n`)
          .join(""),
      );
    });
  }
}
