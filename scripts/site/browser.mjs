// Finds the browser that opens the site in the test.
import { existsSync } from "node:fs";
import { ScriptError } from "../run.mjs";
import { findOnPath } from "../servers/packages.mjs";

/** The variable that names a browser to use. */
const browserVariable = "CHROMIUM_BIN";

const names = [
  "chromium",
  "chromium-headless-shell",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
  "microsoft-edge",
];
const elsewhere = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

/**
 * The path of Chromium, or of a browser built from it.
 *
 * @throws {ScriptError} there is none
 */
export function findBrowser() {
  const named = process.env[browserVariable];
  if (named !== undefined && named !== "") {
    if (existsSync(named)) return named;
    throw new ScriptError(`${browserVariable} names ${named}, which does not exist`);
  }
  const found = names.map(findOnPath).find((path) => path !== undefined) ?? elsewhere.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new ScriptError(
    `no Chromium or Chrome was found: on Debian and Ubuntu install one with "apt-get install chromium-headless-shell" or ` +
      `"apt-get install chromium", or name one in ${browserVariable}`,
  );
}
