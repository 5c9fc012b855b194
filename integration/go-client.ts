// Go, and etcd's own v2 client for it, to build programs for tests: as installed, from Debian's packages, or from a
// module proxy.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { capture, projectRoot, say, ScriptError } from "../scripts/run.mjs";
import { keepInCache } from "./debian/cache.mjs";
import { findOnPath, unpackPackage } from "./debian/packages.mjs";

const cache = join(projectRoot, ".cache", "go");

/** Debian's release with the packages below. etcd's sources there are 3.4, like the server that tests run. */
const suite = "bookworm";
/** Go, and what of Debian's sources the client imports: a tenth of what golang-etcd-server-dev depends on. */
const packages = [
  "golang-1.19-go",
  "golang-1.19-src",
  "golang-etcd-server-dev",
  "golang-github-coreos-go-semver-dev",
  "golang-github-json-iterator-go-dev",
  "golang-github-modern-go-concurrent-dev",
  "golang-github-modern-go-reflect2-dev",
];
/** Where these packages put sources. */
const sources = join("usr", "share", "gocode");
const clientSources = join(sources, "src", "go.etcd.io", "etcd", "client");
const clientModule = "go.etcd.io/etcd/client/v2";

/**
 * Builds the Go program of one file, which may import `go.etcd.io/etcd/client/v2`, etcd's client for the v2 API. It takes the
 * first of these that works: Go and golang-etcd-server-dev as they are installed; the same packages of Debian, unpacked into
 * the cache (80 MB to download, no root needed); an installed Go with a module proxy.
 *
 * @param file its source
 * @returns the path of the built program
 * @throws {ScriptError} with the remedy
 */
export function buildGo(name: string, file: string): string {
  const program = join(cache, name);
  const source = readFileSync(file, "utf8");
  const problems: string[] = [];
  for (const build of [withInstalled, withPackages, withModules]) {
    const problem = build(source, program);
    if (problem === undefined) return program;
    say(`go: ${problem}`);
    problems.push(problem);
  }
  throw new ScriptError(
    `${name} could not be built (${problems.join("; ")}): apt-get update && apt-get install golang-go golang-etcd-server-dev, or put a Go on the PATH`,
  );
}

/** Like the two others, returns undefined or why it could not build. */
function withInstalled(source: string, program: string): string | undefined {
  const go = findOnPath("go");
  if (go === undefined || !existsSync(join("/", clientSources)))
    return "Go and golang-etcd-server-dev are not installed";
  return build(go, withDebianPath(source), program, { GO111MODULE: "off", GOPATH: join("/", sources) });
}

function withPackages(source: string, program: string): string | undefined {
  const folder = join(cache, "debian");
  const go = join("usr", "lib", "go-1.19", "bin", "go");
  if (!existsSync(join(folder, go))) {
    say(`go: downloading Debian's packages ${packages.join(" ")} (${suite}), without installing them`);
    const problem = keepInCache(folder, {
      fill: (into) => {
        const unpacked = join(into, "debian");
        mkdirSync(unpacked);
        return unpackPackage(packages, unpacked, { suite });
      },
      check: (path) => (existsSync(join(path, go)) ? undefined : `no ${go} in golang-1.19-go`),
    });
    if (problem !== undefined) return problem;
  }
  return build(join(folder, go), withDebianPath(source), program, {
    GO111MODULE: "off",
    GOPATH: join(folder, sources),
    GOROOT: join(folder, "usr", "lib", "go-1.19"),
  });
}

function withModules(source: string, program: string): string | undefined {
  const go = findOnPath("go");
  if (go === undefined) return "no go on the PATH";
  const module = `module etcd2/program\n\ngo 1.19\n\nrequire ${clientModule} v2.305.9\n`;
  return build(go, source, program, { GO111MODULE: "on", GOFLAGS: "-mod=mod" }, { "go.mod": module });
}

/** The client's path before it was a module of its own. */
function withDebianPath(source: string): string {
  return source.replace(`"${clientModule}"`, '"go.etcd.io/etcd/client"');
}

/** Builds in its own folder, since several processes may build at once. `files`: further ones beside the source. */
function build(
  go: string,
  source: string,
  program: string,
  env: NodeJS.ProcessEnv,
  files: Readonly<Record<string, string>> = {},
): string | undefined {
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "build-"));
  try {
    for (const [file, text] of Object.entries({ "main.go": source, ...files })) writeFileSync(join(folder, file), text);
    const { ok, reason } = capture(go, ["build", "-o", "program", "."], {
      cwd: folder,
      env: { CGO_ENABLED: "0", GOCACHE: join(cache, "build"), GOFLAGS: "", ...env },
      timeoutMs: 300_000,
    });
    if (ok) cpSync(join(folder, "program"), program);
    return ok ? undefined : `go build: ${reason}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
