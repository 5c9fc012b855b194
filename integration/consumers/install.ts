// Packs the package, and installs it as its users do: with the tools of the tests, and alone.
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { capture, npm, projectRoot, ScriptError } from "../../scripts/run.mjs";

/** Installs the package from its tarball. Returns the variables that tell the tests where. */
export function installForConsumers(): Readonly<Record<string, string>> {
  const folder = join(projectRoot, ".cache", "consumers");
  const [tools, bare] = [join(folder, "tools"), join(folder, "bare")];
  for (const each of [tools, bare]) mkdirSync(each, { recursive: true });
  const packed = runNpm(projectRoot, "pack", "--ignore-scripts", "--pack-destination", folder);
  const tarball = join(folder, packed.trim().split("\n").at(-1) ?? "");
  for (const each of ["package.json", "package-lock.json", ".npmrc"])
    copyFileSync(join(projectRoot, "integration", "consumers", "tools", each), join(tools, each));
  writeFileSync(join(bare, "package.json"), "{}");
  const quietly = ["--ignore-scripts", "--no-audit", "--no-fund"];
  runNpm(tools, "ci", ...quietly);
  for (const each of [tools, bare]) runNpm(each, "install", "--no-save", tarball, ...quietly);
  return { ETCD2_CONSUMERS: tools, ETCD2_CONSUMERS_BARE: bare, ETCD2_TARBALL: tarball };
}

function runNpm(cwd: string, ...args: string[]): string {
  const [command, ...all] = npm(...args);
  const { ok, stdout, reason } = capture(command, all, { cwd });
  if (!ok) throw new ScriptError(`npm ${args.join(" ")}: ${reason}`);
  return stdout;
}
