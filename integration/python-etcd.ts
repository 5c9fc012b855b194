import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../scripts/run.mjs";
import { keepInCache, unpackPackage } from "../scripts/servers/packages.mjs";

/** A Python, and the environment in which it finds Debian's python3-etcd: installed, or unpacked into the cache. Fails if neither works. */
export function findPythonEtcd(): { readonly python: string; readonly env: NodeJS.ProcessEnv } {
  const python = "/usr/bin/python3";
  assert.ok(existsSync(python), "no /usr/bin/python3: apt-get install python3-etcd");
  return { python, env: { ...process.env, PYTHONPATH: pythonPath(python) } };
}

/** The folder of its modules: "" if they are installed, else a folder below the cache. Fails if they are not available. */
function pythonPath(python: string): string {
  if (canImport(python, "")) return "";
  const modules = join(projectRoot, ".cache", "python3-etcd", "modules");
  if (canImport(python, modules)) return modules;
  rmSync(modules, { recursive: true, force: true });
  const problem = keepInCache(modules, {
    fill: (folder) => unpackPackage(["python3-etcd", "python3-dnspython", "python3-urllib3", "python3-six"], folder),
    file: "usr/lib/python3/dist-packages",
    check: (path) => (canImport(python, path) ? undefined : "it cannot be imported"),
  });
  assert.equal(problem, undefined, `no python3-etcd: apt-get install python3-etcd (${String(problem)})`);
  return modules;
}

function canImport(python: string, path: string): boolean {
  const { status } = spawnSync(python, ["-c", "import etcd"], { env: { ...process.env, PYTHONPATH: path } });
  return status === 0;
}
