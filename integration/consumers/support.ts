// What the tests of consumers share: the folder of tools in which the packed package is installed, and a program to build.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";

/** Holds the tools of package.json, and etcd2 installed from its tarball. `npm run test:consumers` makes it. */
export const consumers = folderOf("ETCD2_CONSUMERS");
/** Holds etcd2 from its tarball and nothing else. */
export const bare = folderOf("ETCD2_CONSUMERS_BARE");

/** Sets, gets and watches, over got and over undici. Prints `expectedOutput`, and nothing on stderr. */
const session = `
  for (const [name, transport] of [["got", undefined], ["undici", undiciExchange()]].slice(0, Number(process.env.TRANSPORTS ?? 2))) {
    const client = new Client({ endpoints: [process.env.ENDPOINT], transport });
    const keys = new KeysAPI(client);
    const key = "/consumers/" + name + process.pid;
    const { node } = await keys.set(key, "first");
    const event = keys.watcher(key, { afterIndex: node.modifiedIndex }).next();
    await keys.set(key, "second");
    const values = [(await event).node.value, (await keys.get(key)).node.value];
    await keys.get(key + "-none").catch((error) => { values.push(error.code, isKeyNotFound(error)); });
    await client.close();
    console.log(name, ...values);
  }
`;
export const expectedOutput = ["got", "undici"].map((name) => `${name} second second ERR_ETCD true\n`).join("");

export const esmProgram = `
  import { Client, KeysAPI, isKeyNotFound } from "etcd2";
  import { undiciExchange } from "etcd2/undici";
  ${session}
`;
export const cjsProgram = `
  const { Client, KeysAPI, isKeyNotFound } = require("etcd2");
  const { undiciExchange } = require("etcd2/undici");
  (async () => { ${session} })();
`;

/** A folder below `consumers`, so that programs in it find the tools; removed after the test. */
export function projectIn(t: TestContext, files: Readonly<Record<string, string>>, parent = consumers): string {
  const folder = mkdtempSync(join(parent, "project-"));
  t.after(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

/** A folder from which no `node_modules` is found; removed after the test. */
export function emptyFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "etcd2-consumer-"));
  t.after(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Resolves to the program's output. Rejects, with the output, unless it exits with 0 within five minutes. */
export async function run(
  command: string,
  args: readonly string[],
  { cwd, env = {} }: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv },
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const { NODE_TEST_CONTEXT: _context, NODE_OPTIONS: _options, DEBUG: _debug, ...inherited } = process.env;
  return new Promise((resolve, reject) => {
    execFile(
      command,
      args,
      { cwd, env: { ...inherited, ...env }, timeout: 300_000, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        if (error === null) resolve({ stdout, stderr });
        else reject(new Error(`${command} ${args.join(" ")}: ${error.message}\n${stdout}\n${stderr}`));
      },
    );
  });
}

/** Runs a program of the tools, by its path below their node_modules. */
export function runTool(
  script: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv },
): ReturnType<typeof run> {
  return run(process.execPath, [join(consumers, "node_modules", script), ...args], options);
}

/** The path in an environment variable set by `npm run test:consumers`. */
export function folderOf(variable: string): string {
  const folder = process.env[variable];
  if (folder === undefined) throw new Error(`${variable} is not set: these tests run by npm run test:consumers`);
  return realpathSync(folder);
}
