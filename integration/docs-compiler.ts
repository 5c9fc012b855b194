// Compiles programs that documentation shows, as a user of the package would.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { projectRoot } from "../scripts/run.mjs";

export const compilerOptions: ts.CompilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"],
  types: ["node"],
  typeRoots: [join(projectRoot, "node_modules", "@types")],
  skipLibCheck: true,
};

/** Puts the package into a folder as a user installs it, with the files just compiled; and undici. */
export function installPackage(folder: string): void {
  const installed = join(folder, "node_modules", "etcd2");
  mkdirSync(installed, { recursive: true });
  symlinkSync(join(projectRoot, "dist"), join(installed, "dist"), "junction");
  symlinkSync(join(projectRoot, "node_modules", "undici"), join(folder, "node_modules", "undici"), "junction");
  const manifest = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as { readonly exports: object };
  const exports: unknown = JSON.parse(JSON.stringify(manifest.exports).replaceAll("./dist/lib/", "./dist/src/"));
  writeFileSync(join(installed, "package.json"), JSON.stringify({ name: "etcd2", type: "module", exports }));
}

/** Compiles TypeScript programs, each to a program beside it. Returns what the compiler complains about. */
export function compilePrograms(folder: string, files: readonly string[]): readonly string[] {
  const program = ts.createProgram(files, compilerOptions);
  const { diagnostics } = program.emit();
  return messagesOf(folder, [...ts.getPreEmitDiagnostics(program), ...diagnostics]);
}

export function messagesOf(folder: string, diagnostics: readonly ts.Diagnostic[]): readonly string[] {
  return diagnostics.map(({ file, messageText }) => {
    return `${file?.fileName.slice(folder.length) ?? ""}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
  });
}
