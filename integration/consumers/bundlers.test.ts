import assert from "node:assert/strict";
import { cpSync, readdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import test, { type TestContext } from "node:test";
import { clusterForTests } from "../support.js";
import { cjsProgram, consumers, emptyFolder, esmProgram, expectedOutput, projectIn, run, runTool } from "./support.js";

const cluster = clusterForTests("consumers-bundlers");

interface Bundler {
  readonly name: string;
  /** The format of the program, and the format of the bundle. */
  readonly formats: readonly (readonly [source: "esm" | "cjs", output: "esm" | "cjs"])[];
  /** ncc writes what is imported with `import()` beside the program. */
  readonly files?: "several";
  /** The tool's script and configuration. It writes `out` (a folder) with a single program in it. */
  readonly build: (project: Project) => Promise<unknown>;
}

interface Project {
  readonly folder: string;
  readonly entry: string;
  readonly output: "esm" | "cjs";
  readonly out: string;
}

const plugins = `
  import resolve from "@rollup/plugin-node-resolve";
  import commonjs from "@rollup/plugin-commonjs";
  import json from "@rollup/plugin-json";
`;

const bundlers: readonly Bundler[] = [
  {
    name: "esbuild",
    formats: [
      ["esm", "esm"],
      ["esm", "cjs"],
      ["cjs", "cjs"],
    ],
    build: ({ folder, entry, output, out }) =>
      runTool(
        "esbuild/bin/esbuild",
        [
          entry,
          "--bundle",
          "--platform=node",
          `--format=${output}`,
          `--outfile=${join(out, output === "esm" ? "app.mjs" : "app.cjs")}`,
          "--log-level=warning",
          // as in esbuild's documentation, for CommonJS packages in an ESM bundle
          ...(output === "esm"
            ? [
                '--banner:js=import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
              ]
            : []),
        ],
        { cwd: folder },
      ),
  },
  {
    name: "rollup",
    formats: [
      ["esm", "esm"],
      ["esm", "cjs"],
    ],
    build: ({ folder, entry, output, out }) => {
      const file = join(out, output === "esm" ? "app.mjs" : "app.cjs");
      // undici asks for node:sqlite when it needs it, the plugin would import it at once, and Node 20 has none
      const config = `${plugins}
        export default {
          input: ${JSON.stringify(entry)},
          plugins: [resolve({ exportConditions: ["node"], preferBuiltins: true }), commonjs({ ignore: ["node:sqlite"] }), json()],
          output: { file: ${JSON.stringify(file)}, format: "${output}", inlineDynamicImports: true },
        };`;
      writeFileSync(join(folder, "rollup.config.mjs"), config);
      return runTool("rollup/dist/bin/rollup", ["--config", "rollup.config.mjs", "--silent"], { cwd: folder });
    },
  },
  {
    name: "webpack",
    formats: [
      ["esm", "cjs"],
      ["cjs", "cjs"],
    ],
    build: ({ folder, entry, out }) => {
      const program = `
        const webpack = require("webpack");
        webpack({
          mode: "production", target: "node20", entry: ${JSON.stringify(entry)}, optimization: { minimize: true },
          plugins: [new webpack.optimize.LimitChunkCountPlugin({ maxChunks: 1 })],
          output: { path: ${JSON.stringify(out)}, filename: "app.cjs" },
        }, (error, stats) => {
          if (error || stats.hasErrors()) { console.error(error ?? stats.toString()); process.exit(1); }
        });`;
      writeFileSync(join(folder, "build.cjs"), program);
      return run(process.execPath, ["build.cjs"], { cwd: folder });
    },
  },
  {
    name: "vite (ssr)",
    formats: [["esm", "esm"]],
    build: ({ folder, entry, out }) => {
      const program = `
        import { build } from "vite";
        await build({
          configFile: false, logLevel: "warn", root: ${JSON.stringify(folder)}, ssr: { noExternal: true, target: "node" },
          build: { ssr: ${JSON.stringify(entry)}, outDir: ${JSON.stringify(out)}, emptyOutDir: false,
            rollupOptions: { output: { entryFileNames: "app.mjs", codeSplitting: false } } },
        });`;
      writeFileSync(join(folder, "build.mjs"), program);
      return run(process.execPath, ["build.mjs"], { cwd: folder });
    },
  },
  {
    name: "ncc",
    formats: [
      ["esm", "esm"],
      ["cjs", "cjs"],
    ],
    files: "several",
    build: ({ folder, entry, out }) =>
      runTool("@vercel/ncc/dist/ncc/cli.js", ["build", entry, "-o", out, "-q"], { cwd: folder }),
  },
];

for (const { name, formats, files: written, build } of bundlers) {
  for (const [source, output] of formats) {
    test(`${name}: a one-file bundle runs without node_modules, from ${source} to ${output} (FF8)`, async (t) => {
      const entry = source === "esm" ? "app.mjs" : "app.cjs";
      const manifest = JSON.stringify({ type: output === "esm" ? "module" : "commonjs" });
      // rollup puts dynamic imports behind the program, where top-level await would never reach them
      const esm = name === "rollup" ? esmFor("cjs") : esmFor(output);
      const files = { [entry]: source === "esm" ? esm : cjsProgram, "package.json": manifest };
      const folder = projectIn(t, files);
      const out = emptyFolder(t);
      writeFileSync(join(out, "package.json"), manifest);
      await build({ folder, entry: join(folder, entry), output, out });
      await assertRuns(t, out, written === "several" ? `index.${output === "esm" ? "mjs" : "cjs"}` : undefined);
    });
  }
}

for (const source of ["esm", "cjs"] as const) {
  test(`@vercel/nft: what it traces of a deployment is enough, ${source} (FF8)`, async (t) => {
    const entry = source === "esm" ? "app.mjs" : "app.cjs";
    const program = `
      const { nodeFileTrace } = await import("@vercel/nft");
      const { fileList } = await nodeFileTrace([process.argv[2]], { base: process.argv[3] });
      console.log(JSON.stringify([...fileList]));`;
    const folder = projectIn(t, { [entry]: source === "esm" ? esmProgram : cjsProgram, "trace.mjs": program });
    const { stdout } = await run(process.execPath, ["trace.mjs", join(folder, entry), consumers], { cwd: folder });
    const out = emptyFolder(t);
    for (const file of JSON.parse(stdout) as string[]) {
      cpSync(join(consumers, file), join(out, file), { recursive: true, verbatimSymlinks: true });
    }
    await assertRuns(t, join(out, relative(consumers, folder)), entry);
  });
}

async function assertRuns(t: TestContext, folder: string, program?: string): Promise<void> {
  const [only, ...more] = readdirSync(folder).filter((file) => /\.[cm]?js$/.test(file));
  assert.deepEqual(program === undefined ? more : [], [], "more than one file came out");
  const env = { ENDPOINT: cluster.endpoints[0] };
  const { stdout, stderr } = await run(process.execPath, [join(folder, program ?? only ?? "")], { cwd: folder, env });
  if (stderr !== "") t.diagnostic(stderr);
  assert.deepEqual({ stdout, stderr }, { stdout: expectedOutput, stderr: "" });
}

/** CommonJS has no top-level await. */
function esmFor(output: "esm" | "cjs"): string {
  if (output === "esm") return esmProgram;
  const [imports, session] = [esmProgram.match(/^\s*import .*$/gm) ?? [], esmProgram.replace(/^\s*import .*$/gm, "")];
  return `${imports.join("\n")}\n(async () => {${session}})();`;
}
