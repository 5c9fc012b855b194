import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import test from "node:test";
import { projectRoot } from "../../scripts/run.mjs";
import { bare, folderOf, run } from "./support.js";

const tarball = folderOf("ETCD2_TARBALL");
const installed = join(bare, "node_modules", "etcd2");
const manifest = readManifest(installed);

interface Manifest {
  readonly repository: { readonly url: string };
  readonly scripts?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

/** Every package that an install of etcd2 brings, itself included. */
function packages(): readonly string[] {
  const inside = (folder: string): readonly string[] =>
    !existsSync(folder)
      ? []
      : readdirSync(folder)
          .filter((name) => !name.startsWith("."))
          .flatMap((name) =>
            name.startsWith("@") ? readdirSync(join(folder, name)).map((each) => join(name, each)) : [name],
          )
          .flatMap((name) => [join(folder, name), ...inside(join(folder, name, "node_modules"))]);
  return inside(join(bare, "node_modules"));
}

function sizeOf(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

test("package: it has the fields that its page shows: repository, bugs, homepage, author, keywords (FF35)", () => {
  for (const field of ["repository", "bugs", "homepage", "author", "license", "description", "keywords", "engines"]) {
    assert.ok(manifest[field], field);
  }
});

test("package: it contains the pages of the documentation, but not the site", () => {
  assert.equal(existsSync(join(installed, "dist", "site")), false);
  assert.ok(existsSync(join(installed, "docs", "README.md")));
});

test("package: every relative link and picture of the packed README leads to a packed file (FF35)", () => {
  const text = readFileSync(join(installed, "README.md"), "utf8");
  const links = [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"\s]+)"/g)].map(([, a, b]) => a ?? b ?? "");
  assert.ok(links.length > 5);
  const missing = links
    .filter((link) => !/^(?:https?:|mailto:|#)/.test(link))
    .filter((link) => !existsSync(join(installed, link.replace(/#.*$/, ""))));
  assert.deepEqual(missing, []);
});

test("package: an install is small, adds at most 27 packages to etcd2, and runs no script", () => {
  const all = packages();
  const scripts = all.filter((folder) => {
    const names = Object.keys(readManifest(folder).scripts ?? {});
    return names.some((name) => /^(?:pre|post)?install$/.test(name));
  });
  assert.deepEqual(scripts, []);
  assert.ok(
    all.length - 1 <= 27,
    `${String(all.length - 1)} packages beside etcd2: ${all.map((each) => each.slice(bare.length)).join(", ")}`,
  );
  const megabytes = (bytes: number): number => bytes / 2 ** 20;
  assert.ok(
    megabytes(statSync(tarball).size) < 1.1,
    `the tarball has ${megabytes(statSync(tarball).size).toFixed(2)} MB`,
  );
  assert.ok(megabytes(sizeOf(installed)) < 4.5, `unpacked ${megabytes(sizeOf(installed)).toFixed(2)} MB`);
  const total = megabytes(sizeOf(join(bare, "node_modules")));
  assert.ok(total < 9, `an install has ${total.toFixed(1)} MB`);
});

test("package: publint reports no problem of the tarball", async () => {
  await run(process.execPath, [tool("publint"), "run", tarball, "--strict"], { cwd: dirname(tarball) });
});

test("package: are-the-types-wrong reports only that CommonJS gets an ES module, which Node can require", async () => {
  const ignored = ["--ignore-rules", "cjs-resolves-to-esm"];
  await run(process.execPath, [tool("@arethetypeswrong/cli"), tarball, ...ignored, "--no-color"], {
    cwd: dirname(tarball),
  });
});

/** The path of one of our own tools. */
function tool(name: string): string {
  const folder = join(projectRoot, "node_modules", name);
  const { bin } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    bin: string | Record<string, string>;
  };
  return join(folder, typeof bin === "string" ? bin : (Object.values(bin)[0] ?? ""));
}
