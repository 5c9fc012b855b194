import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

/** An import or a re-export as the compiler writes it. */
const imports = /^(?:import|export) (?:[\w*{][^;"'()=]* from )?"([^"]+)";$/gm;

/** What is loaded with a compiled module, itself included: modules of this package, and the names of all others. */
function loadedWith(module: URL, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(module.href)) return seen;
  seen.add(module.href);
  for (const [, from = ""] of readFileSync(module, "utf8").matchAll(imports)) {
    if (from.startsWith(".")) loadedWith(new URL(from, module), seen);
    else seen.add(from);
  }
  return seen;
}

test("core: importing it loads no other package, and no module of Node's: those are got where they are used", () => {
  const loaded = [...loadedWith(new URL("index.js", import.meta.url))];
  assert.ok(loaded.length > 50);
  assert.deepEqual(
    loaded.filter((name) => !name.startsWith("file:")),
    [],
  );
});
