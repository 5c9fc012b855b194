import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import ts from "typescript";
import { startConsul } from "./test-kit/consul.js";
import { find } from "../scripts/servers/programs.mjs";
import { startChild } from "../src/test-kit/child.js";
import { compilePrograms, compilerOptions, installPackage, messagesOf } from "./docs-compiler.js";
import { blocksOf, publishedPages, type Block, type Page } from "./docs-pages.js";
import { clusterForTests } from "./support.js";

const cluster = clusterForTests("docs", { v3: true });
const pages = publishedPages();
const folder = mkdtempSync(join(tmpdir(), "etcd2-docs-"));

/** Of the compiler. */
let complaints: readonly string[] = [];

before(() => {
  installPackage(folder);
  for (const page of pages) for (const block of programsOf(page)) write(page, block);
  complaints = compile();
});

after(() => {
  rmSync(folder, { recursive: true, force: true });
});

test("docs: every block of code is a program, or marked as a fragment, and can be parsed", () => {
  for (const page of pages)
    for (const { language, mark, code, line } of blocksOf(page)) {
      const at = `${page.path}:${String(line)}`;
      assert.ok(["", "before", "cjs", "fragment", "consul"].includes(mark), `${at}: what is "${mark}"?`);
      assert.ok(
        mark === "fragment" || /^import |= require\(/m.test(code),
        `${at}: without an import it must be marked "fragment"`,
      );
      // Node 20 and 22 do not have it
      assert.ok(language === "ts" || !/\busing \w+ =/.test(code), `${at}: "using" needs ts`);
      const { diagnostics = [] } = ts.transpileModule(code, { reportDiagnostics: true, compilerOptions });
      assert.deepEqual(messagesOf(folder, diagnostics), [], at);
    }
});

test("docs: every TypeScript program compiles", () => {
  assert.deepEqual(complaints, []);
});

for (const page of pages) {
  const programs = programsOf(page);
  const ordinary = programs.filter(({ mark }) => mark !== "consul");
  if (ordinary.length > 0)
    test(`docs: the programs of ${page.path} run as they stand`, async (t) => {
      await runAll(t, page, ordinary, { "http://127.0.0.1:2379": cluster.endpoints[0] ?? "" });
    });
  const onConsul = programs.filter(({ mark }) => mark === "consul");
  if (onConsul.length > 0)
    test(`docs: the programs of ${page.path} run as they stand, on a real Consul`, async (t) => {
      const consul = await startConsul({ bin: find("consul") });
      try {
        await runAll(t, page, onConsul, { "http://127.0.0.1:8500": consul.url });
      } finally {
        await consul.stop();
      }
    });
}

/** Without test files, which src/testing/guide.test.ts runs, and programs of other clients, which consumers/moving-here.test.ts runs. */
function programsOf(page: Page): readonly Block[] {
  return blocksOf(page).filter(
    ({ mark, code }) => mark !== "fragment" && mark !== "before" && !code.includes('from "node:test"'),
  );
}

/** Runs programs one after the other in one process, which has to end by itself, and write no warning. */
async function runAll(
  t: Parameters<typeof startChild>[0],
  page: Page,
  programs: readonly Block[],
  addresses: Readonly<Record<string, string>>,
): Promise<void> {
  const files = programs.map((block) => fileOf(page, block).replace(/\.mts$/, ".mjs"));
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    writeFileSync(
      file,
      text.replace(/http:\/\/127\.0\.0\.1:\d+/g, (address) => addresses[address] ?? address),
    );
  }
  const main = join(folder, `${page.path.replaceAll("/", "-")}.mjs`);
  writeFileSync(main, files.map((file) => `await import(${JSON.stringify(file)});\n`).join(""));
  const { ended } = startChild(t, main);
  const { status, stdout, stderr } = await ended;
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.doesNotMatch(stderr, /warning/i);
}

function write(page: Page, block: Block): void {
  const file = fileOf(page, block);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, block.code);
}

function fileOf({ path }: Page, { language, mark, line }: Block): string {
  return join(
    folder,
    path.replaceAll("/", "-").replace(".md", ""),
    `line-${String(line)}.${mark === "cjs" ? "c" : "m"}${language}`,
  );
}

/** Compiles the TypeScript programs, each to a program beside it. */
function compile(): readonly string[] {
  const files = pages.flatMap((page) =>
    programsOf(page)
      .filter(({ language }) => language === "ts")
      .map((block) => fileOf(page, block)),
  );
  assert.ok(files.length > 5);
  return compilePrograms(folder, files);
}
