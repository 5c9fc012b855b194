import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { capture, projectRoot, say, ScriptError } from "../scripts/run.mjs";

const cache = join(projectRoot, ".cache", "bench");

/** Other clients of the v2 API, and what the dependencies of ours come to: each in a folder of its own, outside the package's own. */
export const peers = {
  "node-etcd": ["node-etcd@7"],
  "etcdjs": ["etcdjs@2"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type PeerName = keyof typeof peers;

/** A file to resolve that peer from. */
export function peerFile(name: PeerName): string {
  return join(folderOf(name), "package.json");
}

/** Installs what is not there yet. */
export function installPeers(): void {
  for (const [name, packages] of Object.entries(peers)) install(name, packages);
}

/** How many packages, and bytes, an install of these comes to. */
export function installedSize(name: string, packages: readonly string[]): { readonly packages: number; readonly bytes: number } {
  install(name, packages);
  const modules = join(folderOf(name), "node_modules");
  const files = (readdirSync(modules, { recursive: true }) as string[]).map((file) => join(modules, file)).filter((file) => statSync(file).isFile());
  return {
    packages: files.filter((file) => /node_modules\/(?:@[^/]+\/)?[^/@.][^/]*\/package\.json$/.test(file.replaceAll("\\", "/"))).length,
    bytes: files.reduce((sum, file) => sum + statSync(file).size, 0),
  };
}

function install(name: string, packages: readonly string[]): void {
  const folder = folderOf(name);
  if (existsSync(join(folder, "node_modules"))) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: `bench-${name}`, private: true }));
  say(`bench: npm install ${packages.join(" ")}`);
  const args = ["install", "--ignore-scripts", "--no-save", "--no-audit", "--no-fund", "--prefix", folder, ...packages];
  const npm = process.env["npm_execpath"];
  const { ok, reason } = npm === undefined ? capture("npm", args, { cwd: folder }) : capture(process.execPath, [npm, ...args], { cwd: folder });
  if (!ok) throw new ScriptError(`npm install ${packages.join(" ")}: ${reason}`);
}

function folderOf(name: string): string {
  return join(cache, name);
}
