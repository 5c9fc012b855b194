// The site in a real browser. `npm run docs:test` builds it first.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { projectRoot } from "../../scripts/run.mjs";
import { documents, siteFolder } from "../../docs/site/typedoc.config.mjs";
import {
  chartContrasts,
  faintTexts,
  laptop,
  look,
  open,
  pagesOfSite,
  phone,
  serveSite,
  startBrowser,
  type Look,
} from "./support.js";

interface Visit extends Look {
  readonly faint: readonly string[];
}

let browser: Browser;
let site: Awaited<ReturnType<typeof serveSite>>;
const visits = new Map<string, Visit>();
/** What pages wrote to the console as errors or warnings, threw, or could not load. */
const complaints: string[] = [];
/** What pages loaded from elsewhere. */
const strangers = new Set<string>();

before(async () => {
  browser = await startBrowser();
  site = await serveSite();
  await visitAll();
});

after(async () => {
  await browser.close();
  await site.stop();
});

/** How many pages one tab visits: its process grows with each, up to the point where it no longer gets on. */
const pagesOfTab = 20;

/** Follows the links from the first page. One tab at a time: a browser may put off what the others do. */
async function visitAll(): Promise<void> {
  let page = await newPage(phone);
  const waiting = ["index.html"];
  const seen = new Set(waiting);
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    if (visits.size % pagesOfTab === pagesOfTab - 1) {
      await page.context().close();
      page = await newPage(phone);
    }
    const visit = await visitPage(page, path).catch((error: unknown) => {
      throw new Error(`${path}, after ${String(visits.size)} pages`, { cause: error });
    });
    visits.set(path, visit);
    for (const link of visit.links) {
      const target = targetOf(link)?.path;
      // other links are found to be dead below
      if (target?.endsWith(".html") !== true || seen.has(target)) continue;
      seen.add(target);
      waiting.push(target);
    }
  }
  await page.context().close();
}

async function visitPage(page: Page, path: string): Promise<Visit> {
  await page.emulateMedia({ colorScheme: "light" });
  await open(page, site.base + path);
  const seen = await look(page);
  const light = await faintTexts(page, "light");
  const dark = await faintTexts(page, "dark");
  return { ...seen, faint: [...light.map((text) => `light: ${text}`), ...dark.map((text) => `dark: ${text}`)] };
}

async function newPage(viewport: { readonly width: number; readonly height: number }): Promise<Page> {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`${page.url()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.message}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(site.base) && !/^(?:file|data|blob):/.test(request.url()))
      strangers.add(request.url());
  });
  return page;
}

/** Where a link of the site leads; undefined if it leads elsewhere. */
function targetOf(link: string): { readonly path: string; readonly anchor: string } | undefined {
  if (!link.startsWith(site.base)) return undefined;
  const [path = "", anchor = ""] = link.slice(site.base.length).split("#");
  return { path: decodeURIComponent(path), anchor: decodeURIComponent(anchor) };
}

/** One line for each page with a finding. */
function lines(of: (visit: Visit, path: string) => readonly string[]): readonly string[] {
  return [...visits].flatMap(([path, visit]) => of(visit, path).map((text) => `${path}: ${text}`));
}

test("site: every page can be reached from the first one", () => {
  assert.ok(visits.size > 300, String(visits.size));
  assert.deepEqual([...visits.keys()].sort(), [...pagesOfSite()].sort());
});

test("site: every link between its pages leads to something, anchors included", () => {
  const dead = lines(({ links }) =>
    links.filter((link) => {
      const target = targetOf(link);
      if (target === undefined) return !/^https:\/\/|^mailto:/.test(link);
      const page = visits.get(target.path);
      return page === undefined || (target.anchor !== "" && !page.ids.includes(target.anchor));
    }),
  );
  assert.deepEqual(dead, []);
});

test("site: links and files are relative, so that it works in any folder", () => {
  assert.deepEqual(
    lines(({ written }) => written.filter((text) => /^(?:\/|file:|http:)/.test(text))),
    [],
  );
  assert.deepEqual([...strangers], []);
});

test("site: no page complains in the console", () => {
  assert.deepEqual(complaints, []);
});

test("site: no page is wider than a phone", () => {
  assert.deepEqual(
    lines(({ overflow }) => (overflow > 0 ? [`${String(overflow)} px too wide`] : [])),
    [],
  );
});

test("site: every image is there", () => {
  assert.deepEqual(
    lines(({ brokenImages }) => brokenImages),
    [],
  );
});

test("site: every text has a contrast of at least 4.5, in light and dark", () => {
  assert.deepEqual(
    lines(({ faint }) => faint),
    [],
  );
});

test("site: the chart has a contrast of at least 4.5, in light and dark", async () => {
  const page = await newPage(laptop);
  await page.setContent(readFileSync(join(projectRoot, "docs", "speed.svg"), "utf8"));
  for (const colorScheme of ["light", "dark"] as const) {
    const found = await chartContrasts(page, colorScheme);
    assert.ok(found.length > 15, String(found.length));
    for (const { what, contrast } of found)
      assert.ok(contrast >= 4.5, `${colorScheme}: ${what}: ${contrast.toFixed(2)}`);
  }
  await page.context().close();
});

test("site: every page of docs is in the navigation, under its title", async () => {
  const page = await newPage(laptop);
  await open(page, `${site.base}index.html`);
  const names = await page.locator("#tsd-nav-container > li > a, #tsd-nav-container > a").allTextContents();
  assert.ok(documents().length >= 17);
  assert.equal(names.filter((name) => !name.startsWith("etcd2")).length, documents().length, names.join());
  await page.context().close();
});

test("site: guides link to the reference, and the reference to guides", () => {
  const path = (title: string): string =>
    [...visits].find(([, visit]) => visit.title === `${title} | etcd2`)?.[0] ?? assert.fail(title);
  const guide = path("Watching without losing");
  const leadsTo = (from: string, to: string): boolean =>
    visits.get(from)?.links.some((link) => targetOf(link)?.path === to) ?? false;
  for (const name of ["Mirror", "Watcher", "KeysAPI"]) {
    assert.ok(leadsTo(guide, `classes/etcd2.${name}.html`), name);
    assert.ok(leadsTo(`classes/etcd2.${name}.html`, guide), name);
  }
});

test("site: the classes of errors that a call rejects with are shown, with links to them", async () => {
  const page = await newPage(laptop);
  await open(page, `${site.base}classes/etcd2.KeysAPI.html`);
  const throws = page.locator(".tsd-tag-throws");
  assert.ok((await throws.count()) > 0);
  const names = (await throws.locator("a:not(.tsd-anchor-icon)").allTextContents()).map((name) => name.trim());
  for (const name of ["EtcdError", "ClusterError", "UsageError"])
    assert.ok(names.includes(name), `${name}: ${names.join()}`);
  await page.context().close();
});

for (const [where, base] of [
  ["from a web server", () => site.base],
  ["from files", () => `${pathToFileURL(siteFolder).href}/`],
] as const)
  test(`site: the search finds a class, and words of a guide, ${where}`, async () => {
    const before = complaints.length;
    for (const viewport of [laptop, phone]) {
      const page = await newPage(viewport);
      await open(page, `${base()}index.html`);
      await search(page, "Watcher");
      await page.locator('#tsd-search-results a[href$="classes/etcd2.Watcher.html"]').first().click();
      await page.waitForURL(/classes\/etcd2\.Watcher\.html/);
      assert.equal((await page.locator("h1").first().textContent())?.trim(), "Class Watcher");
      await search(page, "linearizable");
      await page.locator('#tsd-search-results a[href*="Guarantees.html"]').first().waitFor();
      await page.context().close();
    }
    assert.deepEqual(complaints.slice(before), []);
  });

async function search(page: Page, words: string): Promise<void> {
  await page.locator("#tsd-search-trigger").click();
  await page.locator("#tsd-search-input").fill(words);
}

test("site: screenshots, for people to look at", async () => {
  const folder = join(projectRoot, "dist", "site-screenshots");
  mkdirSync(folder, { recursive: true });
  const paths = [
    "index.html",
    "documents/Watching_without_losing.html",
    "documents/Errors.html",
    "classes/etcd2.Client.html",
  ];
  for (const [size, viewport] of Object.entries({ phone, laptop })) {
    const page = await newPage(viewport);
    for (const path of paths)
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        await open(page, site.base + path);
        const name = path.replace(/^.*\/|\.html$/g, "");
        const image = await page.screenshot({ path: join(folder, `${name}-${size}-${colorScheme}.png`) });
        assert.ok(image.length > 5_000, name);
      }
    await page.context().close();
  }
});
