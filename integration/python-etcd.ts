import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../scripts/run.mjs";
import { keepInCache } from "../scripts/servers/cache.mjs";
import { canUseContainers, keepLinkedProgram } from "../scripts/servers/containers.mjs";
import { unpackPackage } from "../scripts/servers/packages.mjs";

/** A Python, and the environment in which it can import python3-etcd. */
interface PythonEtcd {
  readonly python: string;
  readonly env: NodeJS.ProcessEnv;
}

const cache = join(projectRoot, ".cache", "python3-etcd");

/**
 * A Python with Debian's python3-etcd. It takes the first of these that works: both as they are installed; the installed
 * Python with Debian's packages, unpacked into the cache; both out of a container of Debian. Fails if none does.
 */
export function findPythonEtcd(): PythonEtcd {
  const problems: string[] = [];
  for (const way of [installed, withPackages, outOfContainer]) {
    const found = way();
    if (typeof found !== "string") return found;
    problems.push(found);
  }
  assert.fail(`no python3-etcd (${problems.join("; ")}): apt-get update && apt-get install python3-etcd`);
}

/** Debian's own Python: another on the PATH would not see Debian's modules. */
const systemPython = "/usr/bin/python3";

/** Like the two others: what was found, or why there is none. */
function installed(): PythonEtcd | string {
  return usable({ python: systemPython, env: { ...process.env, PYTHONPATH: "" } });
}

function withPackages(): PythonEtcd | string {
  if (!existsSync(systemPython)) return `no ${systemPython} that could use Debian's packages`;
  const modules = join(cache, "modules");
  const found = { python: systemPython, env: { ...process.env, PYTHONPATH: modules } };
  if (typeof usable(found) !== "string") return found;
  rmSync(modules, { recursive: true, force: true });
  const problem = keepInCache(modules, {
    fill: (folder) => unpackPackage(["python3-etcd", "python3-dnspython", "python3-urllib3", "python3-six"], folder),
    file: "usr/lib/python3/dist-packages",
    check: (path) =>
      canImport(systemPython, { ...found.env, PYTHONPATH: path }) ? undefined : "it cannot be imported",
  });
  return problem ?? found;
}

function outOfContainer(): PythonEtcd | string {
  const found = { python: join(cache, "python3"), env: process.env };
  if (typeof usable(found) !== "string") return found;
  if (!canUseContainers()) return "no Docker engine that runs programs of this system";
  const problem = keepLinkedProgram(
    found.python,
    {
      package: "python3-etcd",
      file: "usr/bin/python3",
      others: ["usr/lib/python3", "usr/lib/python3.11"],
      variables: { PYTHONHOME: "usr", PYTHONPATH: "usr/lib/python3/dist-packages" },
    },
    (python) => (canImport(python, process.env) ? undefined : "it cannot be imported"),
  );
  return problem ?? found;
}

function usable(found: PythonEtcd): PythonEtcd | string {
  if (!existsSync(found.python)) return `no ${found.python}`;
  return canImport(found.python, found.env) ? found : `${found.python} cannot import it`;
}

function canImport(python: string, env: NodeJS.ProcessEnv): boolean {
  return spawnSync(python, ["-c", "import etcd"], { env }).status === 0;
}
