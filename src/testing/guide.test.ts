import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "node:test";
import { startChild } from "../test-kit/child.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const guide = readFileSync(join(root, "docs/guides/testing-your-code.md"), "utf8");
const recipes = Array.from(guide.matchAll(/^## (.*)$[^]*?^```js$([^]*?)^```$/gm), ([, title = "", code = ""]) => ({
  title,
  code,
}));

test("guide to testing: it has six recipes", () => {
  assert.deepEqual(recipes.length, 6);
});

for (const { title, code } of recipes)
  test(`guide to testing: the recipe "${title}" runs as it stands`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "etcd2-recipe-"));
    t.after(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    // like a program with the package installed, but on the files that were just compiled
    const installed = join(folder, "node_modules", "etcd2");
    mkdirSync(installed, { recursive: true });
    symlinkSync(join(root, "dist", "src"), join(installed, "src"));
    const exports = { ".": "./src/core/index.js", "./testing": "./src/testing/index.js" };
    writeFileSync(join(installed, "package.json"), JSON.stringify({ name: "etcd2", type: "module", exports }));
    const file = join(folder, "recipe.mjs");
    writeFileSync(file, code);
    const { ended } = startChild(t, file, []);
    const { status, stdout, stderr } = await ended;
    assert.equal(status, 0, `${stdout}\n${stderr}`);
    assert.match(stdout, /# pass 1\b|✔/);
  });
