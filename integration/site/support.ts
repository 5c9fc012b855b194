// A browser, a web server for the site, and what a page looks like.
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { chromium, type Browser, type Page } from "playwright-core";
import { projectRoot } from "../../scripts/run.mjs";
import { find } from "../../scripts/servers/programs.mjs";
import { siteFolder } from "../../docs/site/typedoc.config.mjs";

/** A phone's screen, and one of a laptop, in CSS pixels. */
export const phone = { width: 390, height: 844 };
export const laptop = { width: 1366, height: 900 };

const inPage = readFileSync(join(projectRoot, "integration", "site", "in-page.js"), "utf8");

/** What `lookAtPage` of in-page.js returns. */
export interface Look {
  readonly title: string;
  /** Targets of links, as absolute URLs. */
  readonly links: readonly string[];
  /** What the attributes `href` and `src` hold. */
  readonly written: readonly string[];
  readonly ids: readonly string[];
  /** How much wider the page is than the screen, in CSS pixels. */
  readonly overflow: number;
  readonly brokenImages: readonly string[];
}

/** Starts the browser without a window. As root, Chromium works only without its sandbox. */
export function startBrowser(): Promise<Browser> {
  const isRoot = process.getuid?.() === 0;
  return chromium.launch({ executablePath: find("chromium"), args: isRoot ? ["--no-sandbox"] : [], timeout: 120_000 });
}

/** Opens a page of the site, and waits until its scripts have built what they build. */
export async function open(page: Page, url: string): Promise<void> {
  await page.goto(url, { waitUntil: "load", timeout: 60_000 });
  await page.addScriptTag({ content: inPage });
  // TypeDoc shows the page when the script of the navigation has run
  const isShown = "document.body.style.display !== 'none' && document.querySelector('#tsd-nav-container li')";
  await page.waitForFunction(isShown, undefined, { polling: 20, timeout: 120_000 });
}

export function look(page: Page): Promise<Look> {
  return page.evaluate("window.siteTest.lookAtPage()");
}

/** The texts of a page with too little contrast, in one of the two colour schemes. */
export async function faintTexts(page: Page, colorScheme: "light" | "dark"): Promise<readonly string[]> {
  await page.emulateMedia({ colorScheme });
  return page.evaluate("window.siteTest.textsBelow(4.5)");
}

/** The contrast of each text and bar of a chart that a page holds with the chart's background. */
export async function chartContrasts(
  page: Page,
  colorScheme: "light" | "dark",
): Promise<readonly { readonly what: string; readonly contrast: number }[]> {
  await page.emulateMedia({ colorScheme });
  await page.addScriptTag({ content: inPage });
  return page.evaluate("window.siteTest.chartContrasts()");
}

/** The pages of the site, as paths with slashes. */
export function pagesOfSite(): readonly string[] {
  if (!existsSync(join(siteFolder, "index.html"))) throw new Error("the site is not built: npm run docs");
  const files = readdirSync(siteFolder, { recursive: true, encoding: "utf8" });
  return files.filter((file) => file.endsWith(".html")).map((file) => file.replaceAll("\\", "/"));
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
};

/** Serves the site under `/below/`, since nobody promises that it gets a host of its own. */
export async function serveSite(): Promise<{ readonly base: string; stop(): Promise<void> }> {
  const server = createServer(({ url = "" }, response) => {
    const path = decodeURIComponent(url.split("?")[0] ?? "");
    const file = join(siteFolder, path.replace("/below/", ""));
    if (!path.startsWith("/below/") || !file.startsWith(siteFolder) || !existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream" });
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    base: `http://127.0.0.1:${String(port)}/below/`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
