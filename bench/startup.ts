import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { capture, projectRoot, ScriptError } from "../scripts/run.mjs";
import { installedSize, peerFile, peers } from "./peers.js";
import { median, type ImportTimes, type Size } from "./results.js";

const etcd2 = pathToFileURL(join(projectRoot, "dist", "src", "index.js")).href;
const undici = pathToFileURL(join(projectRoot, "dist", "src", "undici", "index.js")).href;

/** Programs that import, then do a first GET. */
const programs = {
  "node:http": { load: 'const http = await import("node:http");', get: 'await new Promise((done) => http.get(url + "/v2/keys/bench/small", (r) => r.resume().on("end", done)));' },
  "etcd2": { load: `const { Client, KeysAPI } = await import("${etcd2}");`, get: 'await new KeysAPI(new Client({ endpoints: [url] })).get("/bench/small");' },
  "etcd2 with etcd2/undici": {
    load: `const { Client, KeysAPI } = await import("${etcd2}"); const { undiciExchange } = await import("${undici}");`,
    get: 'await new KeysAPI(new Client({ endpoints: [url], transport: undiciExchange() })).get("/bench/small");',
  },
  "node-etcd 7": { load: `const Etcd = (await import("node:module")).createRequire("${peerFile("node-etcd")}")("node-etcd");`, get: 'await new Promise((done) => new Etcd(url).get("/bench/small", {}, done));' },
  "etcdjs 2": { load: `const connect = (await import("node:module")).createRequire("${peerFile("etcdjs")}")("etcdjs");`, get: 'await new Promise((done) => connect(url).get("/bench/small", {}, done));' },
} as const;

/** Each in a process of its own, one after the other, again and again. */
export function measureImports(runs: number, url: string): readonly ImportTimes[] {
  const times = new Map(Object.keys(programs).map((name) => [name, { load: [] as number[], get: [] as number[] }]));
  for (let i = 0; i < runs; i++) {
    for (const [name, { load, get }] of Object.entries(programs)) {
      const program = `const url = ${JSON.stringify(url)}; const start = performance.now(); ${load} const loaded = performance.now(); ${get} console.log(JSON.stringify([loaded - start, performance.now() - start])); process.exit(0);`;
      const { ok, stdout, reason } = capture(process.execPath, ["--input-type=module", "-e", program]);
      if (!ok) throw new ScriptError(`${name}: ${reason}`);
      const [loadMs = NaN, getMs = NaN] = JSON.parse(stdout) as number[];
      times.get(name)?.load.push(loadMs);
      times.get(name)?.get.push(getMs);
    }
  }
  return [...times].map(([name, { load, get }]) => ({ name, importMs: median(load), firstGetMs: median(get) }));
}

/** What an install comes to, this package's own files included. */
export function measureSizes(): readonly Size[] {
  const { dependencies, peerDependencies = {} } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>;
    readonly peerDependencies?: Readonly<Record<string, string>>;
  };
  const list = (packages: Readonly<Record<string, string>>): string[] => Object.entries(packages).map(([name, range]) => `${name}@${range}`);
  const own = ownBytes();
  const withOwn = (name: string, packages: readonly string[]): { packages: number; bytes: number } => {
    const size = installedSize(name, packages);
    return { packages: size.packages + 1, bytes: size.bytes + own };
  };
  return [
    { name: "etcd2", ...withOwn("etcd2", list(dependencies)) },
    { name: "etcd2 with undici", ...withOwn("etcd2-undici", list({ ...dependencies, ...peerDependencies })) },
    { name: "node-etcd 7", ...installedSize("node-etcd", peers["node-etcd"]) },
    { name: "etcdjs 2", ...installedSize("etcdjs", peers.etcdjs) },
  ];
}

/** Of the files that are published. */
function ownBytes(): number {
  return ["dist/src", "src"].flatMap((folder) => {
    const names = readdirSync(join(projectRoot, folder), { recursive: true }) as string[];
    return names.filter((name) => !/\.test\.|(?:^|[\\/])testing[\\/]/.test(name)).map((name) => join(projectRoot, folder, name));
  }).reduce((sum, file) => sum + (statSync(file).isFile() ? statSync(file).size : 0), 0);
}
