import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { capture, projectRoot, ScriptError } from "../scripts/run.mjs";
import { median } from "./comparison.js";
import { packagesFolder } from "./packages.js";
import type { ImportTimes } from "./results.js";
import { smallKey } from "./test-data.js";

const etcd2 = pathToFileURL(join(projectRoot, "dist", "lib", "index.js")).href;
const undici = pathToFileURL(join(projectRoot, "dist", "lib", "undici", "index.js")).href;

/** Programs that import, then do a first GET; the first one shows what Node takes for the first module of any program. */
const programs = {
  "an empty module": { load: 'await import("data:text/javascript,");', get: "" },
  "node:http": {
    load: 'const http = await import("node:http");',
    get: 'await new Promise((done) => http.get(`${url}/v2/keys${key}`, (r) => r.resume().on("end", done)));',
  },
  etcd2: {
    load: `const { Client, KeysAPI } = await import("${etcd2}");`,
    get: "await new KeysAPI(new Client({ endpoints: [url] })).get(key);",
  },
  "etcd2 with etcd2/undici": {
    load: `const { Client, KeysAPI } = await import("${etcd2}"); const { undiciExchange } = await import("${undici}");`,
    get: "await new KeysAPI(new Client({ endpoints: [url], transport: undiciExchange() })).get(key);",
  },
  "node-etcd 7": {
    load: `const Etcd = (await import("node:module")).createRequire("${packagesFolder("node-etcd")}/")("node-etcd");`,
    get: "await new Promise((done) => new Etcd(url).get(key, {}, done));",
  },
  "etcdjs 2": {
    load: `const connect = (await import("node:module")).createRequire("${packagesFolder("etcdjs")}/")("etcdjs");`,
    get: "await new Promise((done) => connect(url).get(key, {}, done));",
  },
} as const;

/**
 * Each in a process of its own, one after the other, again and again. Programs are files, as everybody's are: what Node needs
 * to read the first file of all is in bare Node. The clock starts where a program that imports nothing would be done: so it is
 * all above bare Node, and how long Node itself took to start is not in it.
 */
export function measureImports(runs: number, url: string): readonly ImportTimes[] {
  const folder = mkdtempSync(join(tmpdir(), "etcd2-bench-imports-"));
  try {
    const files = Object.entries(programs).map(([name, { load, get }], i) => {
      const file = join(folder, `${String(i)}.mjs`);
      writeFileSync(file, programOf(load, get, url));
      return { name, file, load: [] as number[], get: [] as number[] };
    });
    for (let i = 0; i < runs; i++) {
      for (const { name, file, load, get } of files) {
        const { ok, stdout, reason } = capture(process.execPath, [file], { timeoutMs: 30_000 });
        if (!ok) throw new ScriptError(`${name}: ${reason}`);
        const [loadMs = NaN, getMs = NaN] = JSON.parse(stdout) as number[];
        load.push(loadMs);
        get.push(getMs);
      }
    }
    return files.map(({ name, load, get }) => ({ name, importMs: median(load), firstGetMs: median(get) }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function programOf(load: string, get: string, url: string): string {
  return `const [url, key] = ${JSON.stringify([url, smallKey])}; const start = performance.now(); ${load} const loaded = performance.now(); ${get} console.log(JSON.stringify([loaded - start, performance.now() - start])); process.exit(0);`;
}
