import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { projectRoot } from "../scripts/run.mjs";
import { compilePrograms, installPackage } from "./docs-compiler.js";

/** The modules of the package, and the folder of src that each is. */
const modules = new Map(
  ["core", "agent", "config", "consul", "discovery", "election", "lock", "server", "testing", "v3"].map((room) => [
    room,
    room === "core" ? "etcd2" : `etcd2/${room}`,
  ]),
);

/** The names that examples use without declaring them. */
const given = `
  declare const client: Client;
  declare const keys: KeysAPI;
  declare const node: import("etcd2").KeyNode;
  declare const mirror: import("etcd2").Mirror;
  declare const agent: import("etcd2/agent").Agent;
  declare const service: import("etcd2/agent").Service;
  declare const candidate: import("etcd2/election").Candidate;
  declare const locks: import("etcd2/lock").Locks;
  declare const services: import("etcd2/config").ServiceConfig;
  declare const signal: AbortSignal;
  declare const balancer: Record<import("etcd2/agent").AddressUpdate["op"], (addr: string) => void>;
  declare function work(signal: AbortSignal): Promise<void>;
  declare function backUp(signal: AbortSignal): Promise<void>;
  declare function backUpNext(token: string): Promise<void>;
`;

test("docstrings: every example compiles", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "etcd2-docstrings-"));
  t.after(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  installPackage(folder);
  symlinkSync(join(projectRoot, "node_modules", "zod"), join(folder, "node_modules", "zod"), "junction");
  const files = examples().map(({ room, name, code }) => {
    const file = join(folder, `${name}.mts`);
    const endpoints = room === "config" ? 'import("etcd2/config").EndpointsConfig' : "string[]";
    const program = [
      importsOf(room, code),
      given,
      `declare const endpoints: ${endpoints};`,
      `{\n${code}\n}`,
      "export {};",
    ];
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, program.join("\n"));
    return file;
  });
  assert.ok(files.length > 50, String(files.length));
  assert.deepEqual(compilePrograms(folder, files), []);
});

interface Example {
  /** The folder of src that it is in. */
  readonly room: string;
  /** File and line. */
  readonly name: string;
  readonly code: string;
}

function examples(): readonly Example[] {
  const sources = readdirSync(join(projectRoot, "src"), { recursive: true, encoding: "utf8" })
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => file.endsWith(".ts") && !/\.test\.ts$|test-kit/.test(file));
  return sources.flatMap((file) => {
    const text = readFileSync(join(projectRoot, "src", file), "utf8");
    return Array.from(text.matchAll(/@example\n([^]*?)(?=\n +\* @|\n +\*\/|\n \*\/)/g), (match) => {
      const line = text.slice(0, match.index).split("\n").length;
      const code = (match[1] ?? "").replace(/^ *\* ?/gm, "").replace(/^```.*$/gm, "");
      return { room: file.split("/")[0] ?? "", name: `${file.replace(/\.ts$/, "")}-${String(line)}`, code };
    });
  });
}

/** Imports what the code names, from the module of its room if that has it, else from the core or the first other one. */
function importsOf(room: string, code: string): string {
  const words = new Set([...(code.match(/\b[A-Za-z]\w+\b/g) ?? []), "Client", "KeysAPI"]);
  const from = new Map<string, string>();
  for (const each of [room, "core", ...modules.keys()])
    for (const name of exportsOf(each))
      if (words.has(name) && !from.has(name) && !given.includes(` ${name}:`)) from.set(name, modules.get(each) ?? "");
  const lines = [...from].map(([name, module]) => `import { ${name} } from "${module}";`);
  return [...lines, ...(words.has("z") || /\bz\./.test(code) ? ['import { z } from "zod";'] : [])].join("\n");
}

/** The values that a module exports. */
function exportsOf(room: string): readonly string[] {
  if (!modules.has(room)) return [];
  const text = readFileSync(join(projectRoot, "src", room, "index.ts"), "utf8");
  return Array.from(text.matchAll(/export \{([^}]*)\}/g), ([, names = ""]) => names)
    .flatMap((names) => names.split(","))
    .map((name) => name.trim().replace(/^.* as /, ""))
    .filter((name) => name !== "" && !name.startsWith("type "));
}
