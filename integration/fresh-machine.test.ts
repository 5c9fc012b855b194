// The commands of README on machines that lack something: a copy of the scripts in an odd folder, and a PATH of our own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import test, { type TestContext } from "node:test";
import { findOnPath } from "./debian/packages.mjs";
import { find } from "../scripts/servers/programs.mjs";
import { needs, testFiles } from "../scripts/test-run.mjs";
import { projectRoot } from "../scripts/run.mjs";
import { until } from "../src/test-kit/waiting.js";

interface Machine {
  /** A checkout with nothing but its scripts. */
  readonly checkout: string;
  /** Where programs of this machine leave temporary files. */
  readonly temporary: string;
  /** Puts a shell script on the PATH, which has no program else but node. */
  readonly install: (name: string, script: string) => void;
  /** Runs Node in the checkout. Once it has ended: its exit code, and what it wrote to stderr. */
  readonly node: (...args: readonly string[]) => Run;
}

interface Run {
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly written: () => string;
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>;
}

function machine(t: TestContext): Machine {
  const folder = mkdtempSync(join(tmpdir(), "etcd2 fräsh-"));
  t.after(() => {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  });
  const [checkout, path, temporary] = ["check out é", "path", "tmp"].map((name) => join(folder, name));
  assert.ok(checkout !== undefined && path !== undefined && temporary !== undefined);
  for (const each of [checkout, path, temporary]) mkdirSync(each);
  cpSync(join(projectRoot, "scripts"), join(checkout, "scripts"), { recursive: true });
  for (const each of ["package.json", "docker-compose.yml", "integration/selections.mjs", "integration/debian"])
    cpSync(join(projectRoot, each), join(checkout, each), { recursive: true });
  symlinkSync(process.execPath, join(path, "node"));
  return {
    checkout,
    temporary,
    install: (name, script) => {
      const file = join(path, name);
      writeFileSync(file, `#!/bin/sh\n${script}`);
      chmodSync(file, 0o755);
    },
    node: (...args) => {
      const child = spawn(process.execPath, args, {
        cwd: checkout,
        env: { PATH: path, TMPDIR: temporary, HOME: folder },
        stdio: ["ignore", "pipe", "pipe"],
      });
      t.after(() => child.kill("SIGKILL"));
      const output: string[] = [];
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text: string) => output.push(text));
      }
      const written = (): string => output.join("");
      return {
        kill: (signal) => void child.kill(signal),
        written,
        ended: new Promise((resolve) =>
          child.once("close", (code) => {
            resolve({ code, stderr: written() });
          }),
        ),
      };
    },
  };
}

/** Prints the paths of etcd and etcdctl as the scripts find them. */
const findThem = `
  import { find } from "./scripts/servers/programs.mjs";
  for (const name of "etcd etcdctl".split(" ")) console.log("found " + find(name));`;

test("fresh machine: without etcd, apt and Docker the quick start names etcd and the remedy before it builds anything (FF36)", async (t) => {
  const { node, checkout } = machine(t);
  const { code, stderr } = await node("scripts/tasks.mjs", "quickstart").ended;
  assert.equal(code, 1);
  assert.match(stderr, /^etcd: no Docker engine/m);
  assert.match(stderr, /^etcd: no apt-get and dpkg-deb here/m);
  assert.match(
    stderr,
    /^etcd was not found .*github\.com\/etcd-io\/etcd\/releases\) on the PATH, or name it in ETCD_BIN$/m,
  );
  assert.doesNotMatch(stderr, /== (?:install|build)|\n +at /);
  assert.ok(!existsSync(join(checkout, ".cache")), "nothing is left behind");
});

test("fresh machine: offline, apt is asked for its lists once, and the message says so (FF34)", async (t) => {
  const { node, install, checkout } = machine(t);
  install("dpkg-deb", "exit 1");
  // what apt 2.6 does without a network
  install(
    "apt-get",
    `for each in "$@"; do
      if [ "$each" = update ]; then
        echo "$*" >> '${checkout}/updates'
        echo "Err:1 http://deb.debian.org/debian bookworm InRelease"
        echo "  Temporary failure resolving 'deb.debian.org'"
        exit 0
      fi
    done
    echo "E: Unable to locate package" >&2
    exit 100`,
  );
  const search = 'import { findAll } from "./scripts/servers/programs.mjs"; findAll("etcd etcdctl consul".split(" "));';
  const { code, stderr } = await node("--input-type=module", "--eval", search).ended;
  assert.equal(code, 0, stderr);
  for (const name of "etcd etcdctl".split(" ")) {
    assert.match(
      stderr,
      new RegExp(
        `^${name}: no list of packages came: Temporary failure resolving 'deb.debian.org' \\(is this machine offline\\?\\)$`,
        "m",
      ),
    );
    assert.match(stderr, new RegExp(`^${name} was not found`, "m"));
  }
  assert.match(stderr, /^consul was not found/m);
  assert.equal(readFileSync(join(checkout, "updates"), "utf8").trim().split("\n").length, 1);
});

test("fresh machine: with Docker alone etcd and etcdctl come out of the image that docker-compose.yml names", async (t) => {
  const { node, install, checkout } = machine(t);
  // in one string, since a name in quotes would mean that this file needs the program: see the next test
  const programs = "etcd etcdctl".split(" ") as Parameters<typeof find>[0][];
  const [etcd = "", etcdctl = ""] = programs.map((name) => find(name));
  install(
    "docker",
    `case "$1" in
      version) echo 28.2.2 ;;
      create) echo "$2" > '${checkout}/image'; echo container-1 ;;
      cp)
        case "$2" in
          container-1:/usr/local/bin/etcd) from='${etcd}' ;;
          container-1:/usr/local/bin/etcdctl) from='${etcdctl}' ;;
          *) exit 1 ;;
        esac
        exec '${process.execPath}' -e 'fs.symlinkSync(...process.argv.slice(1))' "$from" "$3" ;;
      rm) [ "$2" = container-1 ] && echo removed > '${checkout}/removed' ;;
      *) exit 1 ;;
    esac`,
  );
  const { code, stderr } = await node("--input-type=module", "--eval", findThem).ended;
  assert.equal(code, 0, stderr);
  for (const name of "etcd etcdctl".split(" ")) {
    assert.match(stderr, new RegExp(`^found .*check out é/\\.cache/servers/${name}$`, "m"));
  }
  assert.match(readFileSync(join(checkout, "image"), "utf8"), /^quay\.io\/coreos\/etcd:v3\.4\./);
  assert.ok(existsSync(join(checkout, "removed")));
});

test("fresh machine: with Docker alone a program that needs shared libraries comes out of a container of Debian, with them (FF36)", async (t) => {
  const { node, install, checkout } = machine(t);
  // not in quotes of its own, which would mean that this file needs the program
  const [program = ""] = "openssl ".split(" ");
  const files = join(checkout, "in the container");
  const libraries = "usr/lib/x86_64-linux-gnu";
  for (const folder of ["usr/bin", libraries]) mkdirSync(join(files, folder), { recursive: true });
  writeFileSync(join(files, "usr/bin", program), '#!/bin/sh\necho "OpenSSL 3.0.1 by $1, $OPENSSL_CONF"', {
    mode: 0o755,
  });
  // the libraries it is given, and then the program
  writeFileSync(join(files, libraries, "ld-linux-x86-64.so.2"), '#!/bin/sh\n"$3" "$1 $2"', { mode: 0o755 });
  install("tar", `exec ${findOnPath("tar") ?? "there is no tar"} "$@"`);
  install(
    "docker",
    `case "$1" in
      version) echo 28.2.2 ;;
      run) echo "$*" > '${checkout}/command'; exec tar -C '${files}' -c . ;;
      *) exit 1 ;;
    esac`,
  );
  const script = `
    import { find } from "./scripts/servers/programs.mjs";
    import { capture } from "./scripts/run.mjs";
    const path = find(${JSON.stringify(program)});
    console.log("found " + path);
    console.log(capture(path, []).stdout);
    find(${JSON.stringify(program)});`;
  const { code, stderr } = await node("--input-type=module", "--eval", script).ended;
  assert.equal(code, 0, stderr);
  const kept = join(checkout, ".cache/servers", program);
  assert.ok(stderr.includes(`\nfound ${kept}\n`), stderr);
  const settings = `--library-path ${kept}.files/${libraries}, ${kept}.files/etc/ssl/openssl.cnf`;
  assert.ok(stderr.includes(`\nOpenSSL 3.0.1 by ${settings}\n`), stderr);
  const command = readFileSync(join(checkout, "command"), "utf8");
  assert.match(command, /^run --rm .*debian:bookworm-slim sh /);
  assert.match(command, / --download-only .*"\$@"[^]+ sh openssl$/m);
  assert.equal(stderr.match(/fetches/g)?.length, 1, "what was fetched is kept");
  assert.deepEqual(readdirSync(join(checkout, ".cache/servers")).sort(), [program, `${program}.files`]);
});

test("fresh machine: a container that cannot fetch a package leaves nothing, and its reason is reported (FF34)", async (t) => {
  const { node, install, checkout } = machine(t);
  install(
    "docker",
    `case "$1" in
      version) echo 28.2.2 ;;
      run)
        echo "E: Failed to fetch http://deb.debian.org/debian  Temporary failure resolving 'deb.debian.org'" >&2
        echo "See 'docker run --help'." >&2
        exit 100 ;;
      *) echo "Error response from daemon: no such host" >&2; exit 1 ;;
    esac`,
  );
  const names = "openssl consul";
  const search = `import { findAll } from "./scripts/servers/programs.mjs"; findAll("${names}".split(" "));`;
  const { code, stderr } = await node("--input-type=module", "--eval", search).ended;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^consul: docker create consul:\S+: Error response from daemon: no such host$/m);
  for (const [name, suite] of Object.entries({ openssl: "bookworm", consul: "bullseye" })) {
    const reason = "E: Failed to fetch \\S+  Temporary failure resolving 'deb\\.debian\\.org'";
    assert.match(stderr, new RegExp(`^${name}: docker run debian:${suite}-slim: ${reason}$`, "m"));
    assert.match(stderr, new RegExp(`^${name} was not found .*, or name it in ${name.toUpperCase()}_BIN$`, "m"));
  }
  assert.deepEqual(readdirSync(join(checkout, ".cache/servers")), []);
});

test("fresh machine: a program that is missing leaves out the tests that need it, and no others", () => {
  const files = testFiles("integration", /^(?:keys|proxy|tls|consul-lock|migrate)\.test\.js$/);
  const left = "nginx openssl consul etcd-3.5 etcdctl"
    .split(" ")
    .map((name) => files.filter((file) => needs(file, name)).map((file) => basename(file, ".test.js")));
  assert.deepEqual(left, [["proxy"], ["tls"], ["consul-lock"], ["migrate"], []]);
});

test("fresh machine: SIGTERM at any moment leaves no process and no temporary folder behind", async (t) => {
  const { node, temporary } = machine(t);
  const kit = new URL("./test-kit/etcd.js", import.meta.url);
  const start = `
    import { startCluster } from ${JSON.stringify(kit.href)};
    console.log("begun");
    await startCluster({ bin: ${JSON.stringify(find("etcd"))}, size: 3 });
    console.log("healthy");
    setInterval(() => undefined, 60_000);`;
  for (const wait of [0, 30, 100, 300, "healthy"] as const) {
    const program = node("--input-type=module", "--eval", start);
    await until("it has begun", () => program.written().includes("begun"));
    if (wait === "healthy") await until("the cluster is healthy", () => program.written().includes("healthy"));
    else await new Promise((resolve) => setTimeout(resolve, wait));
    program.kill("SIGTERM");
    const { stderr } = await program.ended;
    assert.doesNotMatch(stderr, /Error|\n +at /);
    assert.deepEqual(readdirSync(temporary), [], `after ${String(wait)}`);
    await until("no member runs", () => !running().some((command) => command.includes(temporary)));
  }
});

test("fresh machine: a command ends with the shell that npm started it by, and so does whatever its programs have started", async (t) => {
  const { node, checkout } = machine(t);
  const deaf = "process.on('SIGTERM', () => undefined); console.log('running'); setInterval(() => undefined, 60_000);";
  writeFileSync(
    join(checkout, "scripts/waits.mjs"),
    `import { run, runMain } from "./run.mjs";
    const args = ["--eval", ${JSON.stringify(deaf)}, ${JSON.stringify(checkout)}];
    const program = "child_process.spawn(process.execPath, process.argv.slice(1), { stdio: 'inherit' });";
    runMain(import.meta.url, () => run(process.execPath, ["--eval", program, "--", ...args], { asGroup: true }));`,
  );
  const shell = `
    const env = { ...process.env, npm_lifecycle_event: "waits" };
    require("node:child_process").spawn(process.execPath, ["scripts/waits.mjs"], { env, stdio: "inherit" });`;
  const program = node("--eval", shell);
  await until("it runs", () => program.written().includes("running"));
  program.kill("SIGKILL");
  await until("nothing runs", () => !running().some((command) => command.includes(checkout)));
});

/** The command lines of all processes. */
function running(): readonly string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8");
      } catch {
        return ""; // it has ended
      }
    });
}
