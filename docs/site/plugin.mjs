// A plugin of TypeDoc: documents are called by their headings, guides and reference link to each other, thrown classes are
// shown, and a page that is opened as a file has its icons.
import { Comment, CommentTag, Converter, PageEvent, ReflectionKind } from "typedoc";

/** @import { Application, CommentDisplayPart, DeclarationReflection, DocumentReflection, ProjectReflection, Reflection } from "typedoc" */

/** Documents that are about the project, not about its use. */
const aboutTheProject = /(?:^|\/)(?:CHANGELOG|SECURITY|how-it-is-built)\b/;

/** Called by TypeDoc. @param {Application} app */
export function load(app) {
  nameDocuments(app);
  showThrownClasses(app);
  linkGuidesAndReference(app);
  makeWorkFromFiles(app);
}

/**
 * Gives each document the name of its first heading.
 *
 * @param {Application} app
 */
function nameDocuments(app) {
  app.converter.on(
    Converter.EVENT_CREATE_DOCUMENT,
    (/** @type {unknown} */ _context, /** @type {DocumentReflection} */ document) => {
      document.frontmatter["group"] = aboutTheProject.test(document.name) ? "Project" : "Guides";
      document.name = heading.exec(document.content[0]?.text ?? "")?.[1] ?? document.name;
    },
  );
}

/** The first heading, where a page begins with it. */
const heading = /^\s*# (.*)\n/;

/**
 * Makes pages that are opened as files look and lead as those from a web server. Browsers refuse to load part of another file
 * into such a page: the icons are also in a script of TypeDoc's, which puts them into the page, and pages refer to those. And
 * a link to a folder would show the folder, not its first page.
 *
 * @param {Application} app
 */
function makeWorkFromFiles(app) {
  app.renderer.on(PageEvent.END, (/** @type {PageEvent} */ page) => {
    page.contents = (page.contents ?? "")
      .replace(/href="[./]*assets\/icons\.svg#/g, 'href="#')
      .replace(/href="((?:\.\.?\/)+)"/g, 'href="$1index.html"');
  });
}

/**
 * Turns the first mention of a symbol as code, in each guide and in the README, into a link to the reference, and lists in
 * the reference the guides that mention a symbol.
 *
 * @param {Application} app
 */
function linkGuidesAndReference(app) {
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    const symbols = symbolsOf(project);
    /** @type {Map<DeclarationReflection, DocumentReflection[]>} */
    const guidesOf = new Map();
    for (const document of project.documents ?? []) {
      for (const symbol of linkSymbols(document.content, symbols)) {
        if (document.frontmatter["group"] === "Guides")
          guidesOf.set(symbol, [...(guidesOf.get(symbol) ?? []), document]);
      }
    }
    // the page of the README has its name above it already
    const [title] = project.readme ?? [];
    if (title !== undefined) title.text = title.text.replace(heading, "");
    linkSymbols(project.readme ?? [], symbols);
    for (const [symbol, guides] of guidesOf) {
      const links = guides.flatMap((guide) => [text("- "), linkTo(guide, guide.name, "@link"), text("\n")]);
      commentOf(symbol).blockTags.push(new CommentTag("@guides", links));
    }
  });
}

/**
 * Shows which classes of errors a call throws or rejects with: TypeDoc shows only the text after `@throws {Class}`. All
 * that one call throws becomes one list, with links to the classes.
 *
 * @param {Application} app
 */
function showThrownClasses(app) {
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    const symbols = symbolsOf(project);
    for (const reflection of Object.values(project.reflections)) {
      const { comment } = reflection;
      const thrown = comment?.getTags("@throws") ?? [];
      if (comment === undefined || thrown.length === 0) continue;
      const list = thrown.flatMap(({ typeAnnotation = "", content }) => [
        text("- "),
        ...classesOf(typeAnnotation, symbols, moduleOf(reflection)),
        text(typeAnnotation === "" || content.length === 0 ? "" : ": "),
        // the sentence about the signal, which is no class, gets a line of its own
        ...content.map((part) => (part.kind === "text" ? text(part.text.replace(/\n\s*(?=Rejects )/g, "\n- ")) : part)),
        text("\n"),
      ]);
      comment.removeTags("@throws");
      comment.blockTags.push(new CommentTag("@throws", list));
    }
  });
}

/**
 * The classes of a `@throws {One | Other}`, as links where they are in the reference.
 *
 * @param {string} annotation with its braces
 * @param {ReadonlyMap<string, readonly DeclarationReflection[]>} symbols
 * @param {string} module where the comment is
 */
function classesOf(annotation, symbols, module) {
  const names = annotation.match(/\w+/g) ?? [];
  return names.flatMap((name, i) => {
    const found = symbols.get(name) ?? [];
    const symbol = found.find(({ parent }) => moduleOf(parent) === module) ?? found[0];
    /** @type {CommentDisplayPart} */
    const part = symbol === undefined ? { kind: "code", text: `\`${name}\`` } : linkTo(symbol, name, "@linkcode");
    return i === 0 ? [part] : [text(" or "), part];
  });
}

/**
 * @param {string} content
 * @returns {CommentDisplayPart}
 */
function text(content) {
  return { kind: "text", text: content };
}

/**
 * What a page can name: exported symbols, and members as `Class.member`. A name may stand for several, one for each module.
 *
 * @param {ProjectReflection} project
 */
function symbolsOf(project) {
  /** @type {Map<string, DeclarationReflection[]>} */
  const symbols = new Map();
  const add = (/** @type {string} */ name, /** @type {DeclarationReflection} */ symbol) => {
    symbols.set(name, [...(symbols.get(name) ?? []), symbol]);
  };
  for (const module of project.children ?? []) {
    for (const symbol of module.children ?? []) {
      if (symbol.kindOf(ReflectionKind.Reference)) continue;
      add(symbol.name, symbol);
      for (const member of symbol.children ?? []) add(`${symbol.name}.${member.name}`, member);
    }
  }
  return symbols;
}

/**
 * @param {CommentDisplayPart[]} parts changed in place
 * @param {ReadonlyMap<string, readonly DeclarationReflection[]>} symbols
 * @returns the symbols that are linked now
 */
function linkSymbols(parts, symbols) {
  const code = parts.map(({ kind, text }) => (kind === "code" ? text : "")).join("\n");
  const imported = new Set(Array.from(code.matchAll(/(?:from|require\() ?"(etcd2[\w/]*)"/g), ([, name]) => name));
  /** @type {Set<DeclarationReflection>} */
  const linked = new Set();
  let bracket = false;
  parts.forEach((part, i) => {
    if (part.kind === "text") bracket = isInBracket(part.text, bracket);
    if (part.kind !== "code" || bracket) return;
    const [, name = ""] = /^`(\w+(?:\.\w+)?)(?:\([^)]*\))?`$/.exec(part.text) ?? [];
    const found = symbols.get(name) ?? [];
    const symbol = found.length < 2 ? found[0] : found.find(({ parent }) => imported.has(moduleOf(parent)));
    if (symbol === undefined || linked.has(symbol)) return;
    linked.add(symbol);
    parts[i] = linkTo(symbol, part.text.slice(1, -1), "@linkcode");
  });
  return linked;
}

/**
 * Whether the text after this one is that of a link: a bracket is open.
 *
 * @param {string} text
 * @param {boolean} before whether one was open before
 */
function isInBracket(text, before) {
  const last = Math.max(text.lastIndexOf("["), text.lastIndexOf("]"));
  return last === -1 ? before : text[last] === "[";
}

/**
 * The name of the module that a symbol is in.
 *
 * @param {Reflection | undefined} parent
 * @returns {string}
 */
function moduleOf(parent) {
  return parent === undefined || parent.kindOf(ReflectionKind.Module) ? (parent?.name ?? "") : moduleOf(parent.parent);
}

/**
 * @param {Reflection} target
 * @param {string} text
 * @param {"@link" | "@linkcode"} tag
 * @returns {CommentDisplayPart}
 */
function linkTo(target, text, tag) {
  return { kind: "inline-tag", tag, text, target };
}

/**
 * Where the comment of a symbol is: functions and methods have it at their signature.
 *
 * @param {DeclarationReflection} symbol
 */
function commentOf(symbol) {
  const holder = symbol.signatures?.[0] ?? symbol;
  return (holder.comment ??= new Comment());
}
