import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { capture, projectRoot, say } from "../scripts/run.mjs";
import { benchCache } from "./install.js";

/** The built worker, or why there is none. `what` names the versions of Go and of its client. */
export type GoWorker = { readonly program: string; readonly what: string } | { readonly problem: string };

const folder = join(benchCache, "go");
const program = join(folder, "worker");
const record = join(folder, "built.json");

/**
 * Builds the worker that uses etcd's own v2 client for Go. With `quick` the sources on this machine come first, and an
 * earlier build of the same sources is used again.
 */
export function goWorker(quick: boolean): GoWorker {
  const { ok, stdout } = capture("go", ["version"]);
  if (!ok) return { problem: "no go on the PATH" };
  const goVersion = /go(\d\S*)/.exec(stdout)?.[1] ?? "?";
  const sources = { main: source("main.go"), mod: source("go.mod") };
  const hash = createHash("sha256")
    .update(JSON.stringify([stdout, sources]))
    .digest("hex");
  const before = quick ? builtBefore(hash) : undefined;
  if (before !== undefined) return before;
  rmSync(record, { force: true });
  const problems: string[] = [];
  for (const way of quick ? [fromDebian, fromModules] : [fromModules, fromDebian]) {
    const built = way(sources, quick ? 15_000 : 60_000);
    if ("problem" in built) {
      problems.push(built.problem);
      continue;
    }
    const what = `Go ${goVersion} (${built.client})`;
    writeFileSync(record, JSON.stringify({ hash, what }));
    return { program, what };
  }
  return { problem: problems.join("; ") };
}

interface Sources {
  readonly main: string;
  readonly mod: string;
}

type Built = { readonly client: string } | { readonly problem: string };

/** Builds with the Go module that go.mod names, from a module proxy or Go's cache. `timeoutMs` ends the wait for a proxy that does not respond. */
function fromModules({ main, mod }: Sources, timeoutMs: number): Built {
  const problem = build(
    "modules",
    { "main.go": main, "go.mod": mod },
    { GO111MODULE: "on", GOFLAGS: "-mod=mod" },
    timeoutMs,
  );
  return problem === undefined
    ? { client: `client/v2 ${/client\/v2 (\S+)/.exec(mod)?.[1] ?? "?"}` }
    : { problem: `from modules: ${problem}` };
}

/** Where the Debian package golang-etcd-server-dev puts etcd's sources and their dependencies. */
const debianPath = "/usr/share/gocode";

function fromDebian({ main }: Sources): Built {
  const etcd = join(debianPath, "src", "go.etcd.io", "etcd");
  if (!existsSync(join(etcd, "client"))) return { problem: "no package golang-etcd-server-dev" };
  // this is etcd 3.4, where the client has another import path
  const problem = build(
    "debian",
    { "main.go": main.replace('"go.etcd.io/etcd/client/v2"', '"go.etcd.io/etcd/client"') },
    { GO111MODULE: "off", GOPATH: debianPath },
    300_000,
  );
  if (problem !== undefined) return { problem: `from golang-etcd-server-dev: ${problem}` };
  const version =
    /^\s*Version\s*=\s*"(.+)"/m.exec(readFileSync(join(etcd, "version", "version.go"), "utf8"))?.[1] ?? "?";
  return { client: `client of etcd ${version} from Debian` };
}

/** Builds a copy of the sources, since Go writes beside them. Returns why that failed, if it did. */
function build(
  name: string,
  files: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv,
  timeoutMs: number,
): string | undefined {
  const at = join(folder, name);
  mkdirSync(at, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(at, file), text);
  say(`bench: go build (${name})`);
  const { ok, reason } = capture("go", ["build", "-o", program, "."], {
    cwd: at,
    env: { ...env, GOCACHE: join(benchCache, "go-cache") },
    timeoutMs,
  });
  if (ok) return undefined;
  say(`bench: go build (${name}): ${reason}`);
  return reason;
}

function builtBefore(hash: string): GoWorker | undefined {
  if (!existsSync(record) || !existsSync(program)) return undefined;
  const built = JSON.parse(readFileSync(record, "utf8")) as { readonly hash: string; readonly what: string };
  return built.hash === hash ? { program, what: built.what } : undefined;
}

function source(name: string): string {
  return readFileSync(join(projectRoot, "bench", "go", name), "utf8");
}
