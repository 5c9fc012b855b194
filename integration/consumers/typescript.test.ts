import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import { projectRoot } from "../../scripts/run.mjs";
import { readFileSync } from "node:fs";
import { bare, consumers, projectIn, runTool } from "./support.js";

const { exports } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as {
  readonly exports: Readonly<Record<string, unknown>>;
};
/** Every entry point, so that none is left out. */
const entries = Object.keys(exports)
  .filter((entry) => entry !== "./package.json")
  .map((entry) => `etcd2${entry.slice(1)}`);

const program = `${entries.map((entry, i) => `import * as entry${String(i)} from "${entry}";`).join("\n")}
import { Client, KeysAPI, type KeysResponse } from "etcd2";
export const used: unknown[] = [${entries.map((_, i) => `entry${String(i)}`).join(", ")}];
export async function read(signal?: AbortSignal): Promise<KeysResponse> {
  const client = new Client({ endpoints: ["http://127.0.0.1:2379"], headerTimeoutMs: 100 });
  const { node, index } = await new KeysAPI(client).get("/", { recursive: true, signal });
  const value: string = node.value;
  return { action: "get", node: { ...node, value }, index, clusterId: "" };
}
`;

type Options = Readonly<Record<string, unknown>>;
const common: Options = { strict: true, noEmit: true, target: "es2022", lib: ["es2023"], types: ["node"] };
const nodenext: Options = { ...common, module: "nodenext" };
const node16: Options = { ...common, module: "node16" };
const bundler: Options = { ...common, module: "esnext", moduleResolution: "bundler" };
/** What each version resolves by when `module` is commonjs and `moduleResolution` is not set. */
const commonjs: Options = { ...common, module: "commonjs" };

const versions = ["5.4", "5.5", "5.6", "5.7", "5.8", "5.9", "6.0", "7.0"] as const;
const configurations: readonly (readonly [version: string, title: string, options: Options])[] = versions.flatMap(
  (version): readonly (readonly [string, string, Options])[] => {
    // 5.4 and 5.5 have no ESNext.Disposable in lib unless asked for
    const lib = ["es2023", "esnext.disposable"];
    // below 5.6 the types of Node itself do not pass
    const strictly = { skipLibCheck: version === "5.4" || version === "5.5" };
    return [
      [version, "nodenext", { ...nodenext, lib, ...strictly }],
      [version, "node16", { ...node16, lib, ...strictly }],
      [version, "bundler", { ...bundler, lib, ...strictly }],
      [version, "module: commonjs, resolution by default", { ...commonjs, lib, ...strictly }],
      [version, "exactOptionalPropertyTypes", { ...nodenext, lib, ...strictly, exactOptionalPropertyTypes: true }],
    ];
  },
);

for (const [version, title, options] of configurations) {
  test(`TypeScript ${version}, ${title}: every entry point compiles (FF31)`, async (t) => {
    const exact = options["exactOptionalPropertyTypes"] === true;
    const text = exact
      ? program.replace("recursive: true, signal }", "recursive: true, ...(signal && { signal }) }")
      : program;
    const folder = projectIn(t, {
      "package.json": '{ "type": "module" }',
      "app.ts": text,
      "tsconfig.json": JSON.stringify({ compilerOptions: options, include: ["app.ts"] }),
    });
    const { stdout } = await runTool(`typescript-${version}/bin/tsc`, ["-p", folder], { cwd: folder });
    assert.equal(stdout, "");
  });
}

test("TypeScript without undici installed: a program that does not use it compiles", async (t) => {
  const text = program.replace(/^import .* from "etcd2\/undici";$/m, "const entryUndici = 0;");
  const index = entries.indexOf("etcd2/undici");
  const folder = projectIn(
    t,
    {
      "package.json": '{ "type": "module" }',
      "app.ts": text.replace(`entry${String(index)}`, "entryUndici"),
      "tsconfig.json": JSON.stringify({
        compilerOptions: { ...nodenext, skipLibCheck: false, typeRoots: [join(consumers, "node_modules", "@types")] },
        include: ["app.ts"],
      }),
    },
    bare,
  );
  const { stdout } = await runTool("typescript-6.0/bin/tsc", ["-p", folder], { cwd: folder });
  assert.equal(stdout, "");
});
