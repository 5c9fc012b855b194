// Bundles the compiled modules into the few files that are published: each imported module costs about a millisecond.
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { rollup } from "rollup";
import ts from "typescript";
import { projectRoot, runMain } from "./run.mjs";

const compiled = join(projectRoot, "dist", "src");

/** Writes the library and the command. */
async function bundle() {
  await bundleLibrary();
  await bundleCommand();
}

/** Writes dist/lib: one file per subpath, and chunks for what they share; the core is one of these chunks. */
async function bundleLibrary() {
  const core = new Set(/** @type {string[]} */ ([]));
  await write(Object.fromEntries(entries().map((entry) => [entry, join(compiled, `${entry}.js`)])), {
    dir: join(projectRoot, "dist", "lib"),
    format: "es",
    sourcemap: true,
    sourcemapExcludeSources: true,
    minifyInternalExports: false,
    chunkFileNames: "shared/[name].js",
    manualChunks: (id, { getModuleInfo }) => {
      if (core.size === 0) collect(join(compiled, "core", "index.js"), core, getModuleInfo);
      return core.has(id) ? "core" : undefined;
    },
  });
}

/** Writes dist/bin/etcd2.js: the command in one file, which loads nothing of the library. */
async function bundleCommand() {
  const file = join(projectRoot, "dist", "bin", "etcd2.js");
  await write(join(compiled, "cli", "main.js"), { file, format: "es", inlineDynamicImports: true });
  chmodSync(file, 0o755);
}

/**
 * @param {import("rollup").InputOption} input
 * @param {import("rollup").OutputOptions} output
 */
async function write(input, output) {
  const bundled = await rollup({
    input,
    external: (id) => !id.startsWith(".") && !id.startsWith(compiled),
    plugins: output.sourcemap ? [{ name: "published", load: withSourceMap, renderChunk: compact }] : [],
    onLog: (level, log) => {
      if (level !== "debug") throw new Error(log.message);
    },
  });
  try {
    await bundled.write(output);
  } finally {
    await bundled.close();
  }
}

/** The exports of package.json, as paths below dist/src without the extension. */
function entries() {
  const { exports } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8"));
  return Object.values(exports).flatMap((each) =>
    typeof each === "string" ? [] : [each.default.replace(/^\.\/dist\/lib\/|\.js$/g, "")],
  );
}

/**
 * Collects a module and everything that it imports.
 *
 * @param {string} id
 * @param {Set<string>} found
 * @param {import("rollup").GetModuleInfo} infoOf
 */
function collect(id, found, infoOf) {
  if (found.has(id) || !id.startsWith(compiled)) return;
  found.add(id);
  for (const imported of infoOf(id)?.importedIds ?? []) collect(imported, found, infoOf);
}

/** @param {string} id */
function withSourceMap(id) {
  return { code: readFileSync(id, "utf8"), map: readFileSync(`${id}.map`, "utf8") };
}

/**
 * Takes out the comments, which the declarations and the sources have, and escapes what is not ASCII: one such character, and
 * Node keeps the whole file in two bytes per character.
 *
 * @param {string} code
 */
function compact(code) {
  const { outputText, sourceMapText } = ts.transpileModule(code, {
    compilerOptions: {
      target: ts.ScriptTarget.ESNext,
      module: ts.ModuleKind.ESNext,
      removeComments: true,
      sourceMap: true,
    },
  });
  const ascii = outputText
    .replace(/^\/\/# sourceMappingURL=.*$/m, "")
    .replace(/[^\0-\x7f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return { code: ascii, map: sourceMapText ?? null };
}

runMain(import.meta.url, bundle);
