// The pages of documentation that are published, and the programs in them.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../scripts/run.mjs";

/** A page of documentation. */
export interface Page {
  /** Below the project's root, such as "docs/moving-here.md". */
  readonly path: string;
  readonly text: string;
}

/** A fenced block of code in a page. */
export interface Block {
  readonly language: "js" | "ts";
  /** What follows the language: "" for a program, "fragment" for a part of one, "cjs" for CommonJS, "consul" for a program that needs Consul, "before" for one of another client. */
  readonly mark: string;
  readonly code: string;
  /** The line of the page on which the block's code begins. */
  readonly line: number;
}

/** What the package contains: the README and docs without docs/spec. */
export function publishedPages(): readonly Page[] {
  const files = readdirSync(join(projectRoot, "docs"), { recursive: true, encoding: "utf8" });
  const docs = files.map((file) => `docs/${file.replaceAll("\\", "/")}`);
  return ["README.md", ...docs.filter((path) => path.endsWith(".md") && !path.startsWith("docs/spec/")).sort()].map(
    pageOf,
  );
}

/** All pages with links to each other. */
export function allPages(): readonly Page[] {
  const specs = readdirSync(join(projectRoot, "docs/spec")).filter((name) => name.endsWith(".md"));
  const others = ["CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", ...specs.map((name) => `docs/spec/${name}`)];
  return [...publishedPages(), ...others.map(pageOf)];
}

/** The blocks of a page that are JavaScript or TypeScript. */
export function blocksOf({ text }: Page): readonly Block[] {
  return Array.from(text.matchAll(/^```(js|ts)(?: (\w+))?\n([^]*?)^```$/gm), (match) => {
    const [, language = "js", mark = "", code = ""] = match;
    const line = text.slice(0, match.index).split("\n").length + 1;
    return { language: language === "ts" ? "ts" : "js", mark, code, line };
  });
}

/** The targets of the links of a page, and of its references. Code is left out. */
export function linksOf({ text }: Page): readonly string[] {
  const prose = text.replace(/^```[^]*?^```$/gm, "").replace(/`[^`\n]*`/g, "");
  const links = Array.from(prose.matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$/gm), ([, inline, reference]) => {
    return inline ?? reference ?? "";
  });
  return links.filter((link) => link !== "");
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf({ text }: Page): ReadonlySet<string> {
  const prose = text.replace(/^```[^]*?^```$/gm, "");
  const seen = new Map<string, number>();
  const anchors = Array.from(prose.matchAll(/^#+ (.*)$/gm), ([, heading = ""]) => {
    const anchor = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M} _-]/gu, "")
      .replaceAll(" ", "-");
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${String(count)}`;
  });
  return new Set(anchors);
}

/** The rows of the first table after a place in a text: their cells, trimmed. */
export function tableAfter(text: string, index: number): readonly (readonly string[])[] {
  const lines = text.slice(index).split("\n");
  const first = lines.findIndex((line) => line.startsWith("|"));
  const after = lines.slice(first).findIndex((line) => !line.startsWith("|"));
  const table = lines.slice(first, after === -1 ? undefined : first + after);
  return table.slice(2).map((line) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim()),
  );
}

function pageOf(path: string): Page {
  return { path, text: readFileSync(join(projectRoot, path), "utf8") };
}
