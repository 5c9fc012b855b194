import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { capture, projectRoot, say } from "../scripts/run.mjs";
import { findOnPath, keepInCache, unpackPackage } from "../scripts/servers/packages.mjs";
import { benchCache } from "./install.js";

/** The built worker, or why there is none. `what` names the versions of Go and of its client. */
export type GoWorker = { readonly program: string; readonly what: string } | { readonly problem: string };

const folder = join(benchCache, "go");
const program = join(folder, "worker");
const record = join(folder, "built.json");

/**
 * Builds the worker that uses etcd's own v2 client for Go. Both come from this machine, else from Debian's packages, which are
 * unpacked and not installed. With `quick` the sources on this machine come first. An earlier build of the same sources is used
 * again.
 */
export function goWorker(quick: boolean): GoWorker {
  const tools = goTools();
  if ("problem" in tools) return tools;
  const { ok, stdout, reason } = capture(tools.go, ["version"], { env: tools.env });
  if (!ok) return { problem: `go version: ${reason}` };
  const goVersion = /go(\d\S*)/.exec(stdout)?.[1] ?? "?";
  const sources = { main: source("main.go"), mod: source("go.mod") };
  const hash = createHash("sha256")
    .update(JSON.stringify([stdout, sources]))
    .digest("hex");
  const before = builtBefore(hash);
  if (before !== undefined) return before;
  rmSync(record, { force: true });
  const problems: string[] = [];
  for (const way of quick || tools.unpacked ? [fromDebian, fromModules] : [fromModules, fromDebian]) {
    const built = way(tools, sources, quick ? 15_000 : 60_000);
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

/** A Go, and where Debian's sources of etcd are, if they are. */
interface GoTools {
  readonly go: string;
  readonly env: Readonly<Record<string, string>>;
  /** The GOPATH of Debian's packages. */
  readonly sources: string;
  /** Whether both are unpacked packages. */
  readonly unpacked: boolean;
}

/** What a build of etcd's v2 client needs, from Debian 12. */
const debianPackages = [
  "golang-1.19-go",
  "golang-1.19-src",
  "golang-etcd-server-dev",
  "golang-github-coreos-go-semver-dev",
  "golang-github-json-iterator-go-dev",
  "golang-github-modern-go-concurrent-dev",
  "golang-github-modern-go-reflect2-dev",
  "golang-go.uber-atomic-dev",
  "golang-go.uber-multierr-dev",
  "golang-go.uber-zap-dev",
] as const;

function goTools(): GoTools | { readonly problem: string } {
  const installed = findOnPath("go");
  const [root, systemSources] = [join(benchCache, "debian-go"), "/usr/share/gocode"];
  if (installed !== undefined) return { go: installed, env: {}, sources: systemSources, unpacked: false };
  const goRoot = join(root, "usr", "lib", "go-1.19");
  const go = join(goRoot, "bin", "go");
  const problem = existsSync(go)
    ? undefined
    : keepInCache(root, { fill: unpackGo, file: "root", check: () => undefined });
  if (problem !== undefined) return { problem: `no go on the PATH, and ${problem}` };
  return { go, env: { GOROOT: goRoot }, sources: join(root, "usr", "share", "gocode"), unpacked: true };
}

/** Returns why it could not, if so. */
function unpackGo(at: string): string | undefined {
  const root = join(at, "root");
  mkdirSync(root);
  say("bench: downloading Go and etcd's client from Debian, 80 MB, without installing them");
  for (const name of debianPackages) {
    const problem = unpackPackage(name, root) && unpackPackage(name, root, { suite: "bookworm" });
    if (problem !== undefined) return problem;
    for (const file of readdirSync(root)) if (file.endsWith(".deb")) rmSync(join(root, file));
  }
  return undefined;
}

interface Sources {
  readonly main: string;
  readonly mod: string;
}

type Built = { readonly client: string } | { readonly problem: string };

/** Builds with the Go module that go.mod names, from a module proxy or Go's cache. `timeoutMs` ends the wait for a proxy that does not respond. */
function fromModules(tools: GoTools, { main, mod }: Sources, timeoutMs: number): Built {
  const problem = build(
    tools,
    "modules",
    { "main.go": main, "go.mod": mod },
    { GO111MODULE: "on", GOFLAGS: "-mod=mod" },
    timeoutMs,
  );
  return problem === undefined
    ? { client: `client/v2 ${/client\/v2 (\S+)/.exec(mod)?.[1] ?? "?"}` }
    : { problem: `from modules: ${problem}` };
}

function fromDebian(tools: GoTools, { main }: Sources): Built {
  const etcd = join(tools.sources, "src", "go.etcd.io", "etcd");
  if (!existsSync(join(etcd, "client"))) return { problem: "no package golang-etcd-server-dev" };
  // this is etcd 3.4, where the client has another import path
  const problem = build(
    tools,
    "debian",
    { "main.go": main.replace('"go.etcd.io/etcd/client/v2"', '"go.etcd.io/etcd/client"') },
    { GO111MODULE: "off", GOPATH: tools.sources },
    300_000,
  );
  if (problem !== undefined) return { problem: `from golang-etcd-server-dev: ${problem}` };
  const version =
    /^\s*Version\s*=\s*"(.+)"/m.exec(readFileSync(join(etcd, "version", "version.go"), "utf8"))?.[1] ?? "?";
  return { client: `client of etcd ${version} from Debian` };
}

/** Builds a copy of the sources, since Go writes beside them. Returns why that failed, if it did. */
function build(
  { go, env: toolsEnv }: GoTools,
  name: string,
  files: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv,
  timeoutMs: number,
): string | undefined {
  const at = join(folder, name);
  mkdirSync(at, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(at, file), text);
  say(`bench: go build (${name})`);
  const { ok, reason } = capture(go, ["build", "-o", program, "."], {
    cwd: at,
    env: { ...toolsEnv, ...env, GOCACHE: join(benchCache, "go-cache") },
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
