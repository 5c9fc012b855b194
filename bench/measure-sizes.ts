import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../scripts/run.mjs";
import { packagesFolder, type PackagesName } from "./packages.js";
import type { Size } from "./results.js";

/** What an install comes to, this package's own files included. */
export function measureSizes(): readonly Size[] {
  const own = ownBytes();
  const withOwn = ({ name, packages, bytes }: Size): Size => ({ name, packages: packages + 1, bytes: bytes + own });
  return [
    withOwn(installedSize("etcd2", "etcd2")),
    withOwn(installedSize("etcd2 with undici", "etcd2-undici")),
    installedSize("node-etcd 7", "node-etcd"),
    installedSize("etcdjs 2", "etcdjs"),
  ];
}

function installedSize(name: string, folder: PackagesName): Size {
  const files = filesBelow(join(packagesFolder(folder), "node_modules"));
  return {
    name,
    packages: files.filter((file) =>
      /node_modules\/(?:@[^/]+\/)?[^/@.][^/]*\/package\.json$/.test(file.replaceAll("\\", "/")),
    ).length,
    bytes: bytesOf(files),
  };
}

/** Of the files that are published. */
function ownBytes(): number {
  const files = ["dist/lib", "dist/src", "src"].flatMap((folder) => filesBelow(join(projectRoot, folder)));
  return bytesOf(
    files.filter((file) => !/\.test\.|[\\/]testing[\\/]|[\\/]dist[\\/]src[\\/].*\.js(?:\.map)?$/.test(file)),
  );
}

function filesBelow(folder: string): readonly string[] {
  const names = readdirSync(folder, { recursive: true }) as string[];
  return names.map((name) => join(folder, name)).filter((file) => statSync(file).isFile());
}

function bytesOf(files: readonly string[]): number {
  return files.reduce((sum, file) => sum + statSync(file).size, 0);
}
