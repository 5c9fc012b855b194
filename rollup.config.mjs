// Rollup's options: bundles the compiled modules into the few files that are published. Each imported module costs about a millisecond.
import { chmodSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const compiled = fileURLToPath(new URL("dist/src", import.meta.url));
const command = "dist/bin/etcd2.js";

/** The modules of the core that are loaded with its import, and those that are loaded with the first call. */
const core = new Set(/** @type {string[]} */ ([]));
const firstCall = new Set(/** @type {string[]} */ ([]));

/** The library: one file per subpath, and chunks for what they share; the two parts of the core are chunks. */
/** @type {import("rollup").RollupOptions} */
const library = {
  input: Object.fromEntries(entries().map((entry) => [entry, `${compiled}/${entry}.js`])),
  external,
  onLog,
  plugins: [{ name: "published", load: withSourceMap, renderChunk: compact }],
  output: {
    dir: "dist/lib",
    format: "es",
    sourcemap: true,
    sourcemapExcludeSources: true,
    minifyInternalExports: false,
    chunkFileNames: "shared/[name].js",
    manualChunks: (id, { getModuleInfo }) => {
      if (core.size === 0) {
        collect(core, `${compiled}/core/index.js`, getModuleInfo);
        collect(firstCall, `${compiled}/core/first-call.js`, getModuleInfo);
      }
      if (core.has(id)) return "core";
      return firstCall.has(id) ? "first-call" : undefined;
    },
  },
};

/** The command in one file, which loads nothing of the library. @type {import("rollup").RollupOptions} */
const commandInOneFile = {
  input: `${compiled}/cli/main.js`,
  external,
  onLog,
  plugins: [{ name: "executable", renderChunk: compact, writeBundle: () => chmodSync(command, 0o755) }],
  output: { file: command, format: "es", inlineDynamicImports: true },
};

export default [library, commandInOneFile];

/** Packages and Node's modules. @param {string} id */
function external(id) {
  return !id.startsWith(".") && !id.startsWith(compiled);
}

/**
 * Any warning is an error.
 *
 * @param {string} level
 * @param {{ message: string }} log
 */
function onLog(level, { message }) {
  if (level !== "debug") throw new Error(message);
}

/** The exports of package.json, as paths below dist/src without the extension. */
function entries() {
  const { exports } = JSON.parse(readFileSync("package.json", "utf8"));
  return Object.values(exports).flatMap((each) =>
    typeof each === "string" ? [] : [each.default.replace(/^\.\/dist\/lib\/|\.js$/g, "")],
  );
}

/**
 * Collects a module and everything that it imports statically.
 *
 * @param {Set<string>} into
 * @param {string} id
 * @param {import("rollup").GetModuleInfo} infoOf
 */
function collect(into, id, infoOf) {
  if (into.has(id) || !id.startsWith(compiled)) return;
  into.add(id);
  for (const imported of infoOf(id)?.importedIds ?? []) collect(into, imported, infoOf);
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
