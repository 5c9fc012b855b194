// Who may import whom, what may be exported, and how long a file may be: one line per violation in src.
import { readFileSync, readdirSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join, posix } from "node:path";
import ts from "typescript";
import { projectRoot, runMain, say } from "./run.mjs";

const maxLines = 300;

/**
 * What each part of src may import besides `errors` and its own folder. A name that ends in / is a folder, any other one
 * file; `index` is the core's door; `type` means `import type` only. A file with a row of its own has that row alone.
 *
 * @type {Readonly<Record<string, readonly string[]>>}
 */
const table = {
  "discovery/": ["core/index", "agent/index", "util/"],
  "config/": ["core/index", "agent/index", "util/"],
  "consul/": ["http/", "agent/index", "election/lock", "election/candidate", "election/errors", "util/"],
  // What consul stands on knows nothing of etcd, so not all of its own folder either; the rest of election may.
  "election/lock": ["election/errors", "util/"],
  "election/candidate": ["election/lock", "election/errors", "util/"],
  "election/errors": ["util/"],
  "election/": ["core/index", "util/"],
  "agent/": ["util/"],
  "core/cluster/": ["util/", "type http/exchange"],
  "core/wire/": ["core/types", "type http/exchange", "util/errors"],
  "core/": ["http/", "util/"],
  "http/": ["util/"],
  "util/": [],
};

/** Packages, and who may import them. Node's own modules are open to all but `wire/`, which does no I/O. */
const packages = /** @type {Readonly<Record<string, readonly string[]>>} */ ({
  got: ["http/got/"],
  undici: ["http/undici/"],
  debug: ["util/log"],
  "p-limit": ["agent/", "discovery/", "consul/", "config/", "election/"],
});

/** @typedef {{ specifier: string, typeOnly: boolean, line: number }} Import */

function checkLayers() {
  const src = join(projectRoot, "src");
  const files = /** @type {string[]} */ (readdirSync(src, { recursive: true }))
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => name.endsWith(".ts"))
    .sort();
  /** @type {string[]} */
  const problems = [];
  for (const file of files) {
    const source = ts.createSourceFile(file, readFileSync(join(src, file), "utf8"), ts.ScriptTarget.Latest, true);
    /** @type {(line: number, text: string) => void} */
    const report = (line, text) => void problems.push(`src/${file}:${line}: ${text}`);
    const isTest = file.endsWith(".test.ts");
    const lines = source.getLineStarts().length - (source.text.endsWith("\n") ? 1 : 0);
    if (!isTest && lines > maxLines) report(lines, `${lines} lines: split it, ${maxLines} are the most`);
    checkExports(source, report);
    const path = file.slice(0, -".ts".length);
    const free = isTest || /(^|\/)test-kit\//.test(file);
    if (!free && rowOf(path) === undefined) report(1, "in no row of the table in scripts/check-layers.mjs");
    for (const each of importsOf(source)) {
      if (/^\.\.?\//.test(each.specifier) && !each.specifier.endsWith(".js"))
        report(each.line, `"${each.specifier}" must end in .js`);
      if (free) continue;
      const problem = whyForbidden(path, each);
      if (problem !== undefined) report(each.line, problem);
    }
  }
  for (const problem of problems) say(problem);
  say(`layers: ${files.length} files, ${problems.length} violations`);
  return problems.length === 0 ? 0 : 1;
}

/**
 * @param {string} from path in src, without extension
 * @param {Import} wanted
 * @returns {string | undefined}
 */
function whyForbidden(from, { specifier, typeOnly }) {
  const row = rowOf(from);
  if (row === undefined) return undefined;
  if (!specifier.startsWith(".")) {
    if (specifier.startsWith("node:") && isBuiltin(specifier)) {
      return row === "core/wire/" ? `wire/ is pure and may not import "${specifier}"` : undefined;
    }
    const users = packages[specifier];
    if (users === undefined) return `"${specifier}" is no package that src may use (Node's own are written node:...)`;
    return users.some((user) => covers(user, from)) ? undefined : `only ${users.join(", ")} may import "${specifier}"`;
  }
  const to = posix.join(posix.dirname(from), specifier).replace(/\.js$/, "");
  if (to.startsWith("..")) return `"${specifier}" leaves src`;
  if (row.endsWith("/") && to.startsWith(row)) return undefined;
  const allowed = table[row] ?? [];
  if (allowed.some((entry) => covers(entry, to))) return undefined;
  if (allowed.some((entry) => entry.startsWith("type ") && covers(entry.slice("type ".length), to))) {
    return typeOnly ? undefined : `${row} may import only types of ${to}: use "import type"`;
  }
  const folder = to.slice(0, to.indexOf("/") + 1);
  if (folder !== "" && allowed.includes(`${folder}index`))
    return `from outside, ${folder} is imported through its index.js, not "${specifier}"`;
  return `${row} may not import ${to} ("${specifier}")`;
}

/** @param {string} path */
function rowOf(path) {
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  return [path, folder, path.slice(0, path.indexOf("/") + 1)].find((row) => row in table);
}

/**
 * @param {string} entry
 * @param {string} path
 */
function covers(entry, path) {
  return entry.endsWith("/") ? path.startsWith(entry) : path === entry;
}

/**
 * @param {ts.SourceFile} source
 * @param {(line: number, text: string) => void} report
 */
function checkExports(source, report) {
  for (const statement of source.statements) {
    const line = lineOf(source, statement);
    const isDefault =
      ts.isExportAssignment(statement) ||
      (ts.canHaveModifiers(statement) &&
        ts.getModifiers(statement)?.some((modifier) => modifier.kind === ts.SyntaxKind.DefaultKeyword));
    if (isDefault) report(line, "no default exports: name it");
    if (!ts.isExportDeclaration(statement)) continue;
    const { exportClause } = statement;
    if (exportClause === undefined || ts.isNamespaceExport(exportClause))
      report(line, "no export *: name what is exported");
    else if (exportClause.elements.some((element) => element.name.text === "default"))
      report(line, "no default exports: name it");
  }
}

/**
 * @param {ts.SourceFile} source
 * @returns {Import[]}
 */
function importsOf(source) {
  /** @type {Import[]} */
  const found = [];
  /** @type {(node: ts.Node | undefined, at: ts.Node, typeOnly: boolean) => void} */
  const add = (node, at, typeOnly) => {
    if (node !== undefined && ts.isStringLiteralLike(node))
      found.push({ specifier: node.text, typeOnly, line: lineOf(source, at) });
  };
  /** @param {ts.Node} node */
  const visit = (node) => {
    // `import { type X }` is no type import: with verbatimModuleSyntax the module is loaded all the same
    if (ts.isImportDeclaration(node))
      add(node.moduleSpecifier, node, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node, node.isTypeOnly);
    else if (ts.isImportTypeNode(node))
      add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, node, true);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], node, false);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/**
 * @param {ts.SourceFile} source
 * @param {ts.Node} node
 */
function lineOf(source, node) {
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
}

runMain(import.meta.url, async () => checkLayers());
