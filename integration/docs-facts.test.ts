import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import test from "node:test";
import { projectRoot } from "../scripts/run.mjs";
import { speedChart } from "../bench/sections.js";
import { commands } from "../src/cli/commands.js";
import { EtcdErrorCode } from "../src/core/index.js";
import { allPages, anchorsOf, linksOf, publishedPages, tableAfter, type Page } from "./docs-pages.js";

const pages = new Map(allPages().map((page) => [page.path, page]));
const published = publishedPages();
const repository = /^https:\/\/github\.com\/etcd2\/etcd2\/(?:blob|tree)\/main\//;

test("docs: every link between pages, and into the repository, has a target", () => {
  const dead: string[] = [];
  for (const page of pages.values())
    for (const link of linksOf(page)) {
      if (/^(?:https?|mailto):/.test(link) && !repository.test(link)) continue;
      const [path = "", anchor] = targetOf(page, link).split("#");
      const target = pages.get(path);
      const isThere = existsSync(join(projectRoot, path));
      const hasAnchor = anchor === undefined || target === undefined || anchorsOf(target).has(anchor);
      if (!isThere || !hasAnchor) dead.push(`${page.path}: ${link}`);
    }
  assert.deepEqual(dead, []);
});

test("docs: relative links of published pages lead to published files (FF35)", () => {
  const packed = new Set([...published.map(({ path }) => path), "CHANGELOG.md", "SECURITY.md", "docs/speed.svg"]);
  const outside = published.flatMap((page) =>
    linksOf(page)
      .filter((link) => !/^(?:https?|mailto):/.test(link))
      .filter((link) => !packed.has(targetOf(page, link).split("#")[0] ?? ""))
      .map((link) => `${page.path}: ${link}`),
  );
  assert.deepEqual(outside, []);
});

test("docs: every guide is linked from the README or from another guide", () => {
  const linked = new Set(published.flatMap((page) => linksOf(page).map((link) => targetOf(page, link).split("#")[0])));
  assert.deepEqual(
    published.map(({ path }) => path).filter((path) => path !== "README.md" && !linked.has(path)),
    [],
  );
});

test("docs: the tests that a page names exist", () => {
  let rows = 0;
  for (const [path, column] of [
    ["docs/guides/guarantees.md", "| what "],
    ["docs/guides/operating.md", "| when... "],
  ] as const) {
    const text = textOf(path);
    const table = tableAfter(text, text.indexOf(column));
    for (const row of table) {
      const named = Array.from(row.at(-1)?.matchAll(/\]\[(\w+)\]/g) ?? [], ([, name = ""]) => name);
      assert.notEqual(named.length, 0, `${path}: ${row[0] ?? ""}`);
      for (const name of named) {
        const [, url = ""] = new RegExp(`^\\[${name}\\]: (\\S+)$`, "m").exec(text) ?? [];
        assert.match(url, /\.test\.ts$/, `${path}: ${name}`);
        assert.ok(existsSync(join(projectRoot, url.replace(repository, ""))), `${path}: ${url}`);
      }
      rows++;
    }
  }
  assert.ok(rows > 20, String(rows));
});

test("docs: the chart of the README is drawn from bench/RESULTS.md (npm run bench -- --chart draws it again)", () => {
  const results = readFileSync(join(projectRoot, "bench/RESULTS.md"), "utf8");
  assert.equal(readFileSync(join(projectRoot, "docs/speed.svg"), "utf8"), speedChart(results));
  assert.match(textOf("README.md"), /!\[[^\]]*longer bars are better\]\(docs\/speed\.svg\)/);
});

test("docs: the figures in the README and in the guide to transports are those of bench/RESULTS.md", () => {
  const results = readFileSync(join(projectRoot, "bench/RESULTS.md"), "utf8");
  const measured = tableAfter(results, results.indexOf("\n## In short\n"));
  assert.ok(measured.length >= 6);
  for (const path of ["README.md", "docs/guides/transports.md"])
    assert.deepEqual(tableAfter(textOf(path), textOf(path).indexOf("<!-- figures")), measured, path);
});

test("docs: the site is not in the package", () => {
  const { files } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as { files: readonly string[] };
  const folders = files.filter((pattern) => pattern.startsWith("dist"));
  assert.deepEqual(folders, ["dist/bin", "dist/lib", "dist/src/**/*.d.ts", "dist/src/**/*.d.ts.map"]);
});

test("docs: the README has at most 1,200 words", () => {
  const words = textOf("README.md").split(/\s+/).length;
  assert.ok(words <= 1_200, String(words));
});

test("docs: the defaults in the guides are those of the docstrings", () => {
  let tables = 0;
  for (const { path, text } of published)
    for (const match of text.matchAll(/<!-- defaults: (\S+) (\w+)( partial)? -->/g)) {
      const [marker, file = "", name = "", partial] = match;
      const rows = tableAfter(text, match.index + marker.length);
      const told = rows.map(([option = "", value = ""]) => [plain(option), plain(value)] as const);
      const fields = defaultsOf(readFileSync(join(projectRoot, file), "utf8"), name);
      for (const [option, value] of told) assert.equal(value, fields.get(option), `${path}: ${name}.${option}`);
      if (partial === undefined)
        assert.deepEqual(told.map(([option]) => option).sort(), [...fields.keys()].sort(), `${path}: ${name}`);
      tables++;
    }
  assert.ok(tables >= 5);
});

test("docs: the guide to errors lists every code of every class, and no other", () => {
  const guide = textOf("docs/guides/errors.md");
  const sources = sourcesOf(/errors\.ts$|codec\.ts$/);
  const codes = new Map<string, readonly string[]>();
  for (const source of sources) {
    for (const [, name = "", union = ""] of source.matchAll(/export type (\w+Error)Code =([^;]*);/g))
      codes.set(name, stringsOf(union));
    for (const [, name = "", code = ""] of source.matchAll(
      /class (\w+Error) extends SdkError[^{]*\{(?:(?!\nexport)[^])*?readonly code = "(\w+)"/g,
    ))
      codes.set(name, [code]);
  }
  assert.ok(codes.size >= 10, [...codes.keys()].join());
  for (const [name, expected] of codes) {
    const heading = guide.indexOf(`\n## ${name}\n`);
    assert.notEqual(heading, -1, name);
    const rows = tableAfter(guide, heading);
    for (const row of rows) assert.ok(row.length === 3 && !row.includes(""), `${name}: ${row.join(" | ")}`);
    const told = rows.map(([code = ""]) => plain(code));
    assert.deepEqual(told.sort(), [...expected].sort(), name);
  }
});

test("docs: the guide to errors lists every error number of etcd", () => {
  const rows = tableAfter(textOf("docs/guides/errors.md"), textOf("docs/guides/errors.md").indexOf("| errorCode "));
  assert.deepEqual(
    Object.fromEntries(rows.map(([number = "", name = ""]) => [plain(name), Number(number)])),
    EtcdErrorCode,
  );
});

test("docs: the messages that the first guide explains are those of the code", () => {
  const guide = textOf("docs/guides/getting-started.md");
  const sources = sourcesOf(/\.ts$/).join("\n");
  for (const [cell = ""] of tableAfter(guide, guide.indexOf("| message "))) {
    const [, message = ""] = /`([^`]+)`/.exec(cell) ?? [];
    // Node's own
    if (message !== "connect ECONNREFUSED") assert.ok(message !== "" && sources.includes(message), cell);
  }
});

test("docs: the guide to the command lists every command", () => {
  const guide = textOf("docs/guides/command.md");
  const names = tableAfter(guide, 0).map(([usage = ""]) => plain(usage).split(" ")[1]);
  assert.deepEqual(names, [...commands.keys()]);
});

test("docs: the guide to leaving v2 has every difference of the specification", () => {
  const section = textOf("docs/guides/leaving-v2.md").split("## Differences")[1]?.split("\n## ")[0] ?? "";
  const spec = textOf("docs/spec/v3.md");
  const rows = tableAfter(spec, spec.indexOf("# 4. What cannot be carried over"));
  assert.deepEqual(
    Array.from(section.matchAll(/^(\d+)\. /gm), ([, number = ""]) => number),
    rows.map(([number]) => number),
  );
});

function textOf(path: string): string {
  return pages.get(path)?.text ?? assert.fail(path);
}

/** What is compiled into the package, test files aside. */
function sourcesOf(name: RegExp): readonly string[] {
  return readdirSync(join(projectRoot, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => name.test(file) && !/\.test\.ts$|test-kit/.test(file))
    .map((file) => readFileSync(join(projectRoot, "src", file), "utf8"));
}

/** A path below the project's root, with the anchor if there is one. */
function targetOf({ path }: Page, link: string): string {
  if (repository.test(link)) return link.replace(repository, "");
  if (link.startsWith("#")) return `${path}${link}`;
  return posix.join(posix.dirname(path), link);
}

/** The fields of an interface, with what `@default` says up to a comma; "" where it says nothing. */
function defaultsOf(source: string, name: string): ReadonlyMap<string, string> {
  const body = new RegExp(`export interface ${name}\\b[^{]*\\{\\n([^]*?)\\n\\}`).exec(source)?.[1] ?? assert.fail(name);
  const fields = Array.from(
    body.matchAll(/(\/\*\*(?:(?!\*\/)[^])*\*\/)\s+readonly (\w+)\??:/g),
    ([, doc = "", field = ""]) => {
      const [, value = ""] = /@default (.*?)(?:, never)?\s*(?:\*\/|$)/m.exec(doc) ?? [];
      return [field, plain(value)] as const;
    },
  );
  return new Map(fields);
}

/** Without the marks of code and links. */
function plain(text: string): string {
  return text
    .replace(/\{@link (\w+)\}/g, "$1")
    .replaceAll("`", "")
    .trim();
}

function stringsOf(union: string): readonly string[] {
  return Array.from(union.matchAll(/"(\w+)"/g), ([, code = ""]) => code);
}

test("the figures of the README and of the guide on transports are those of the last bench", () => {
  const read = (path: string): string => readFileSync(join(projectRoot, path), "utf8");
  const [, results = ""] = /^## In short\n\n([^]*?)\n\n## /m.exec(read("bench/RESULTS.md")) ?? [];
  assert.match(results, /^\| GET, 16 at once/m);
  for (const path of ["README.md", "docs/guides/transports.md"]) {
    const marked = /<!-- figures: written by npm run bench -->\n\n([^]*?)\n\n<!-- end of figures -->/;
    assert.equal(marked.exec(read(path))?.[1], results, path);
  }
});
