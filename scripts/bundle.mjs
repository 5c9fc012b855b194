// Makes of the compiled modules what is published: few files, since each module that is imported costs about a millisecond.
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { rollup } from "rollup";
import { projectRoot, runMain } from "./run.mjs";

const compiled = join(projectRoot, "dist", "src");

/** Writes the library and the command. */
export async function bundle() {
  await bundleLibrary();
  await bundleCommand();
}

/** Writes dist/lib: a file for each subpath, and chunks for what they share; the core is one of these. */
async function bundleLibrary() {
  const core = new Set(/** @type {string[]} */ ([]));
  const bundled = await rollup({
    input: Object.fromEntries(entries().map((entry) => [entry, join(compiled, `${entry}.js`)])),
    external: (id) => !id.startsWith(".") && !id.startsWith(compiled),
    plugins: [{ name: "source-maps", load: withSourceMap }],
    onLog: (level, log) => {
      if (level !== "debug") throw new Error(log.message);
    },
  });
  try {
    await bundled.write({
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
  } finally {
    await bundled.close();
  }
}

/** Writes dist/bin/etcd2.js: the command, in one file, of which the library loads nothing. */
async function bundleCommand() {
  const file = join(projectRoot, "dist", "bin", "etcd2.js");
  const bundled = await rollup({
    input: join(compiled, "cli", "main.js"),
    external: (id) => !id.startsWith(".") && !id.startsWith(compiled),
    onLog: (level, log) => {
      if (level !== "debug") throw new Error(log.message);
    },
  });
  try {
    await bundled.write({ file, format: "es", inlineDynamicImports: true });
  } finally {
    await bundled.close();
  }
  chmodSync(file, 0o755);
}

/** What package.json exports, as files below dist/src without their ending. */
function entries() {
  const { exports } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8"));
  return Object.values(exports).flatMap((each) =>
    typeof each === "string" ? [] : [each.default.replace(/^\.\/dist\/lib\/|\.js$/g, "")],
  );
}

/**
 * All that is loaded with a module.
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

runMain(import.meta.url, bundle);
