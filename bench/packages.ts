import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../scripts/run.mjs";
import { benchCache, install } from "./install.js";

const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
};

/**
 * What is installed, each in a folder of its own and outside the package's own dependencies: other clients of the v2 API,
 * and, to see what they come to, the dependencies of this package without and with undici.
 */
const packages = {
  "node-etcd": ["node-etcd@7"],
  etcdjs: ["etcdjs@2"],
  etcd2: listOf(dependencies),
  "etcd2-undici": listOf({ ...dependencies, ...peerDependencies }),
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type PackagesName = keyof typeof packages;

/** Installs what is not there yet. */
export async function installPackages(): Promise<void> {
  await Promise.all(Object.entries(packages).map(([name, list]) => install(name, list)));
}

/** Where that was installed; also a place to resolve it from. */
export function packagesFolder(name: PackagesName): string {
  return join(benchCache, name);
}

function listOf(ranges: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(ranges).map(([name, range]) => `${name}@${range}`);
}
