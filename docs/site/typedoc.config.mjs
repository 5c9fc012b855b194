// TypeDoc's options: the site of the documentation, guides and reference. `npm run docs` builds it in dist/site.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { OptionDefaults } from "typedoc";
import { projectRoot } from "../../scripts/run.mjs";

const here = join(projectRoot, "docs", "site");

/** Where the site is built. Below dist, so that it is neither committed nor packed. */
export const siteFolder = join(projectRoot, "dist", "site");

const repository = "https://github.com/etcd2/etcd2";

/**
 * Fields of types written on one line, where the sentence above the line describes them. Everything else that is exported
 * has a docstring of its own.
 */
const describedByTheirLine = [
  "etcd2.SchemaIssue.path.__type.key",
  "etcd2.SchemaResult.__type.value",
  "etcd2.SchemaResult.__type.issues",
  "etcd2.StandardSchema.~standard.__type.types.__type.input",
  "etcd2.StandardSchema.~standard.__type.types.__type.output",
  "etcd2.TypedEvent.__type.action",
  "etcd2.TypedEvent.__type.node",
  "etcd2/agent.SourceChange.__type.type",
  "etcd2/agent.SourceChange.__type.instance",
  "etcd2/agent.SourceChange.__type.id",
  "etcd2/agent.SourceUpdate.__type.kind",
  "etcd2/agent.SourceUpdate.__type.instances",
  "etcd2/agent.SourceUpdate.__type.changes",
  "etcd2/discovery.Subscription.ready.__type.index",
  "etcd2/config.WatchEvent.__type.type",
  "etcd2/config.WatchEvent.__type.object",
  "etcd2/config.WatchEvent.__type.status.__type.code",
  "etcd2/config.WatchEvent.__type.status.__type.reason",
  "etcd2/config.WatchEvent.__type.status.__type.message",
  "etcd2/config.Handler.__type.onUpdate",
  "etcd2/consul.SessionId.__type.__brand",
  ...["kind", "applied", "ms", "bytes", "status", "body", "cause", "location", "what"].map(
    (field) => `etcd2/testing.Fault.__type.${field}`,
  ),
];

/**
 * Any warning is an error: a symbol without a docstring, a link that leads nowhere, a type that a signature names but no
 * module exports.
 *
 * @type {Partial<import("typedoc").TypeDocOptions>}
 */
export default {
  name: "etcd2",
  entryPoints: entryPoints(),
  tsconfig: join(projectRoot, "tsconfig.json"),
  basePath: projectRoot,
  displayBasePath: projectRoot,
  plugin: [join(here, "plugin.mjs")],
  readme: join(projectRoot, "README.md"),
  projectDocuments: documents().map((path) => join(projectRoot, path)),
  out: siteFolder,
  cleanOutputDir: true,
  // what the code means, not which commit it is from: the same files make the same site
  disableGit: true,
  sourceLinkTemplate: `${repository}/blob/main/{path}#L{line}`,
  githubPages: false,
  excludePrivate: true,
  excludeInternal: true,
  includeHierarchySummary: false,
  hideGenerator: true,
  customCss: join(here, "site.css"),
  // "CHANGELOG.md" in a text is a name of a file, not of a host
  markdownItLoader: (parser) => parser.set({ linkify: false }),
  lightHighlightTheme: "github-light-high-contrast",
  darkHighlightTheme: "github-dark-high-contrast",
  highlightLanguages: [...OptionDefaults.highlightLanguages, "go", "nginx", "ini"],
  searchInComments: true,
  searchInDocuments: true,
  sort: ["documents-first", "kind", "alphabetical-ignoring-documents"],
  sortEntryPoints: false,
  groupOrder: ["Guides", "Project", "*"],
  navigation: { includeGroups: false, includeCategories: false, includeFolders: false },
  navigationLinks: { GitHub: repository },
  validation: { notExported: true, invalidLink: true, invalidPath: true, notDocumented: true, rewrittenLink: true },
  preservedTypeAnnotationTags: ["@throws"],
  intentionallyNotDocumented: describedByTheirLine,
  treatWarningsAsErrors: true,
};

/** The modules of package.json, as source files. */
function entryPoints() {
  const { exports } = /** @type {{ exports: Record<string, string | { types: string }> }} */ (
    JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8"))
  );
  return Object.values(exports)
    .filter((entry) => typeof entry === "object")
    .map(({ types }) => join(projectRoot, types.replace("./dist/", "").replace(/\.d\.ts$/, ".ts")));
}

/**
 * The pages of docs, those that docs/README.md links first and in its order, so that a new page is never left out; then
 * what is about the project.
 */
export function documents() {
  const files = /** @type {string[]} */ (readdirSync(join(projectRoot, "docs"), { recursive: true }));
  const pages = files
    .map((file) => `docs/${file.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(".md") && !path.startsWith("docs/spec/"))
    .sort();
  const index = readFileSync(join(projectRoot, "docs", "README.md"), "utf8");
  const listed = Array.from(index.matchAll(/\]\(([\w/-]+\.md)/g), ([, path]) => `docs/${path}`);
  const all = new Set(["docs/README.md", ...listed, ...pages]);
  return [...all, "CHANGELOG.md", "SECURITY.md"];
}
