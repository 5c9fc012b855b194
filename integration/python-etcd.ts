import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { projectRoot } from "../scripts/run.mjs";
import { keepLinkedProgram } from "./debian/linked.mjs";

/** A Python, and the environment in which it can import python3-etcd. */
interface PythonEtcd {
  readonly python: string;
  readonly env: NodeJS.ProcessEnv;
}

/** A Python with Debian's python3-etcd: as they are installed, or else Debian's packages, kept in the cache. Fails if neither works. */
export function findPythonEtcd(): PythonEtcd {
  // Debian's own Python: another on the PATH would not see Debian's modules
  for (const python of ["/usr/bin/python3", kept]) if (canImport(python) === undefined) return { python, env };
  const program = {
    package: "python3-etcd",
    file: "usr/bin/python3",
    variables: { PYTHONHOME: "usr", PYTHONPATH: "usr/lib/python3/dist-packages" },
  };
  const problem = keepLinkedProgram(kept, program, canImport);
  assert.equal(
    problem,
    undefined,
    `no python3-etcd: apt-get update && apt-get install python3-etcd (${String(problem)})`,
  );
  return { python: kept, env };
}

const kept = join(projectRoot, ".cache", "python3-etcd", "python3");
/** Without a module path of the user's. */
const env = { ...process.env, PYTHONPATH: "" };

/** Why not, if it cannot. */
function canImport(python: string): string | undefined {
  const { status } = spawnSync(python, ["-c", "import etcd"], { env });
  return status === 0 ? undefined : `${python} cannot import it`;
}
