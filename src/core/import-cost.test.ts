import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

/** An import or a re-export as the compiler writes it. */
const imports = /^(?:import|export) (?:[\w*{][^;"'()=]* from )?"([^"]+)";$/gm;

/** The same, and what is imported later. */
const everyImport = /^(?:import|export) (?:[\w*{][^;"'()=]* from )?"([^"]+)";$|\bimport\("([^"]+)"\)/gm;

/** What is loaded with a compiled module, itself included: modules of this package, and the names of all others. */
function loadedWith(module: URL, seen = new Set<string>(), pattern = imports): ReadonlySet<string> {
  if (seen.has(module.href)) return seen;
  seen.add(module.href);
  for (const [, now = "", from = now] of readFileSync(module, "utf8").matchAll(pattern)) {
    if (from.startsWith(".")) loadedWith(new URL(from, module), seen, pattern);
    else seen.add(from);
  }
  return seen;
}

test("core: importing it loads no other package and no Node module: those are loaded where they are used", () => {
  const loaded = [...loadedWith(new URL("index.js", import.meta.url))];
  assert.ok(loaded.length > 50);
  assert.deepEqual(
    loaded.filter((name) => !name.startsWith("file:")),
    [],
  );
});

test("core: importing it loads no module of another room, such as v3, which it never loads later either", () => {
  const core = new URL("index.js", import.meta.url);
  const rooms = (modules: Iterable<string>): readonly string[] => [
    ...new Set([...modules].map((href) => /\/dist\/src\/(\w+)\//.exec(href)?.[1] ?? href)),
  ];
  assert.deepEqual(rooms(loadedWith(core)).toSorted(), ["core", "http", "util"]);
  const later = [...loadedWith(core, new Set(), everyImport)].filter((name) => name.startsWith("file:"));
  assert.ok(later.length > loadedWith(core).size, "the transport is loaded later");
  assert.deepEqual(rooms(later).toSorted(), ["core", "http", "util"]);
  assert.ok(rooms(loadedWith(new URL("../v3/index.js", import.meta.url))).includes("v3"), "the search would find it");
});

test("core: what only calls need is not part of the import, and is loaded with the first call in one file", () => {
  const core = new URL("index.js", import.meta.url);
  const atImport = loadedWith(core);
  const later = loadedWith(core, new Set(), everyImport);
  const isIn = (modules: ReadonlySet<string>, name: string): boolean => modules.has(new URL(name, core).href);
  for (const name of ["first-call.js", "cluster/failover.js", "watch-loop.js", "mirror-copy.js", "wire/response.js"]) {
    assert.deepEqual([isIn(atImport, name), isIn(later, name)], [false, true], name);
  }
  const bytes = (modules: Iterable<string>): number =>
    [...modules]
      .filter((name) => name.startsWith("file:"))
      .reduce((sum, name) => sum + readFileSync(new URL(name)).byteLength, 0);
  assert.ok(bytes(atImport) < bytes(later) / 2, `${String(bytes(atImport))} of ${String(bytes(later))} bytes`);
});
