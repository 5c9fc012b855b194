import assert from "node:assert/strict";
import test from "node:test";
import { clusterForTests } from "../support.js";
import { projectIn, run, runTool } from "./support.js";

const cluster = clusterForTests("consumers-runners");
const env = (): NodeJS.ProcessEnv => ({ ENDPOINT: cluster.endpoints[0] });

/** A runner's fake timers: program text that turns them on, off, and moves them by some ms. */
interface FakeTimers {
  readonly on: string;
  readonly off: string;
  readonly tick: (ms: string) => string;
}

/** The same cases in every runner. */
const cases = (fake: FakeTimers): string => `
  test("sets, gets and watches", async () => {
    const client = new Client({ endpoints: [process.env.ENDPOINT] });
    const keys = new KeysAPI(client);
    const key = "/runners/" + process.pid + Math.random();
    const { node } = await keys.set(key, "first");
    const event = keys.watcher(key, { afterIndex: node.modifiedIndex }).next();
    await keys.set(key, "second");
    expect((await event).node.value).toBe("second");
    await client.close();
  });

  test("works over undici", async () => {
    const client = new Client({ endpoints: [process.env.ENDPOINT], transport: undiciExchange() });
    expect((await new KeysAPI(client).get("/")).node.dir).toBe(true);
    await client.close();
  });

  test("errors are recognized, and network errors keep their code and text", async () => {
    const client = new Client({ endpoints: ["http://127.0.0.1:1"] });
    const error = await new KeysAPI(client).get("/").catch((error) => error);
    expect(error.code).toBe("ERR_CLUSTER_UNAVAILABLE");
    expect(error.message).toMatch(/ECONNREFUSED/);
    await client.close();
    const live = new Client({ endpoints: [process.env.ENDPOINT] });
    expect(isKeyNotFound(await new KeysAPI(live).get("/runners/none").catch((error) => error))).toBe(true);
    await live.close();
  });

  test("accepts the runner's own AbortSignal and URL", async () => {
    const client = new Client({ endpoints: [new URL(process.env.ENDPOINT)] });
    const controller = new AbortController();
    const waiting = new KeysAPI(client).watcher("/runners/never").next(controller.signal);
    setTimeout(() => controller.abort(new Error("enough")), 20);
    await expect(waiting).rejects.toThrow("enough");
    await client.close();
  });

  test("works under fake timers", async () => {
    ${fake.on}
    const client = new Client({ endpoints: [process.env.ENDPOINT] });
    expect((await new KeysAPI(client).get("/")).node.dir).toBe(true);
    await client.close();
    ${fake.off}
  });

  test("a fake etcd without a clock keeps to real time, and one with globalClock() follows the fake timers (X15)", async () => {
    ${fake.on}
    const over = (etcd) => new Client({ endpoints: etcd.endpoints, transport: etcd.transport });
    const real = createFakeEtcd();
    const mocked = createFakeEtcd({ clock: globalClock() });
    const clients = [over(real), over(mocked)];
    const keysOf = clients.map((client) => new KeysAPI(client));
    for (const keys of keysOf) await keys.set("/a", "1", { ttl: 300 });
    const watched = mocked.untilWatched("/a");
    const event = keysOf[1].watcher("/a").next();
    await watched;
    ${fake.tick("299_999")}
    expect(mocked.dump()["/a"]).toBe("1");
    ${fake.tick("501")}
    expect((await event).action).toBe("expire");
    expect(real.dump()["/a"]).toBe("1");
    for (const client of clients) await client.close();
    for (const etcd of [real, mocked]) await etcd.close();
    ${fake.off}
  });
`;

/** In ms. The first test also compiles got and all that it imports, on a machine that may be busy. */
const testTimeout = 240_000;

const imports =
  'import { Client, KeysAPI, isKeyNotFound } from "etcd2";\nimport { undiciExchange } from "etcd2/undici";\nimport { createFakeEtcd, globalClock } from "etcd2/testing";\n';
const jestTimers: FakeTimers = {
  // the parts of Node that a request needs stay real
  on: 'jest.useFakeTimers({ doNotFake: ["nextTick", "setImmediate", "queueMicrotask"] });',
  off: "jest.useRealTimers();",
  tick: (ms) => `jest.advanceTimersByTime(${ms});`,
};
const vitestTimers: FakeTimers = {
  on: "vi.useFakeTimers();",
  off: "vi.useRealTimers();",
  tick: (ms) => `vi.advanceTimersByTime(${ms});`,
};
const nodeTimers: FakeTimers = {
  on: 'mock.timers.enable({ apis: ["setTimeout", "Date"] });',
  off: "mock.timers.reset();",
  tick: (ms) => `mock.timers.tick(${ms});`,
};

/** Jest's configuration for CommonJS: babel compiles the package, and what it imports, too. */
const byBabel = JSON.stringify({
  testEnvironment: "node",
  testTimeout,
  transformIgnorePatterns: [],
  transform: {
    "\\.[cm]?js$": ["babel-jest", { presets: [["@babel/preset-env", { targets: { node: "current" } }]] }],
  },
});

/** Runs Jest until it exits, which it only does when nothing keeps the process. */
const jest = (folder: string, nodeArgs: readonly string[] = [], args: readonly string[] = []): ReturnType<typeof run> =>
  runTool("jest/bin/jest.js", ["--detectOpenHandles", "--ci", "--rootDir", folder, ...args], {
    cwd: folder,
    env: { ...env(), NODE_OPTIONS: nodeArgs.join(" ") },
  });

/**
 * The handles that Jest names as open, each by its type and the line that made it.
 *
 * Leaves out one that no program can avoid: `http2-wrapper`, which got imports, creates a stream to inspect its class,
 * and drops it. Nothing waits for that stream, but Jest names it unless it has been garbage-collected when the tests
 * end.
 */
function openHandles(stderr: string): string[] {
  const [, report = ""] = stderr.split(/Jest has detected the following \d+ open handles?/);
  return [...report.matchAll(/^ +● +(\S.*)\n[^●]*?\bat (.+)$/gm)]
    .map(([, type = "", line = ""]) => `${type} at ${line}`)
    .filter((each) => !/^JSSTREAM at .*\/http2-wrapper\/source\/utils\/js-stream-socket\.js:\d+:\d+\)$/.test(each));
}

/** Asserts that all six cases passed, and that none of our handles stayed open. */
function assertPassed(stderr: string): void {
  assert.match(stderr, /Tests: +6 passed, 6 total/);
  assert.deepEqual(openHandles(stderr), [], stderr);
}

/** Loaded into Jest's process, it prevents the garbage collection before Jest names open handles. */
const noCollection = `
  const vm = require("node:vm");
  const { runInNewContext } = vm;
  vm.runInNewContext = (code, ...rest) => (code === "gc" ? () => undefined : runInNewContext(code, ...rest));
`;

test("Jest 30: a handle that a test leaves open is named beside that stream, which alone does not count", async (t) => {
  const folder = projectIn(t, {
    "package.json": '{ "type": "module" }',
    "jest.config.json": JSON.stringify({ testEnvironment: "node", testTimeout, transform: {} }),
    "no-collection.cjs": noCollection,
    "app.test.js": `
      import { Client, KeysAPI } from "etcd2";
      test("leaves a timer", async () => {
        setInterval(() => undefined, 60_000);
        const client = new Client({ endpoints: [process.env.ENDPOINT] });
        await new KeysAPI(client).get("/");
        await client.close();
      });`,
  });
  const { stderr } = await jest(
    folder,
    ["--experimental-vm-modules", "--require=./no-collection.cjs"],
    ["--forceExit"],
  );
  assert.match(stderr, /JSSTREAM/);
  const handles = openHandles(stderr);
  assert.equal(handles.length, 1, stderr);
  assert.match(handles[0] ?? "", /^Timeout at .*app\.test\.js/);
});

test("Jest 30, CommonJS by babel, with transformIgnorePatterns: [] (FF8, FF38)", async (t) => {
  const folder = projectIn(t, {
    "package.json": "{}",
    "jest.config.json": byBabel,
    "app.test.js": imports + cases(jestTimers),
  });
  const { stderr } = await jest(folder);
  assertPassed(stderr);
});

test("Jest 30 with ts-jest, CommonJS", async (t) => {
  const folder = projectIn(t, {
    "package.json": "{}",
    "jest.config.json": JSON.stringify({
      testEnvironment: "node",
      testTimeout,
      transformIgnorePatterns: [],
      transform: { "\\.[jt]s$": ["ts-jest", { diagnostics: false }] },
    }),
    "tsconfig.json": JSON.stringify({
      compilerOptions: {
        module: "commonjs",
        target: "es2022",
        esModuleInterop: true,
        allowJs: true,
        strict: true,
        ignoreDeprecations: "6.0",
        rootDir: "/",
      },
    }),
    "app.test.ts": imports + cases(jestTimers).replaceAll("(error) =>", "(error: any) =>"),
  });
  const { stderr } = await jest(folder);
  assertPassed(stderr);
});

test("Jest 30 with ES modules", async (t) => {
  const folder = projectIn(t, {
    "package.json": '{ "type": "module" }',
    "jest.config.json": JSON.stringify({ testEnvironment: "node", testTimeout, transform: {} }),
    "app.test.js": `import { jest } from "@jest/globals";\n${imports}${cases(jestTimers)}`,
  });
  const { stderr } = await jest(folder, ["--experimental-vm-modules"]);
  assertPassed(stderr);
});

for (const pool of ["threads", "forks", "vmThreads"]) {
  test(`Vitest 4, pool ${pool}`, async (t) => {
    const folder = projectIn(t, {
      "package.json": '{ "type": "module" }',
      "app.test.js": `import { expect, test, vi } from "vitest";\n${imports}${cases(vitestTimers)}`,
    });
    const { stdout } = await runTool(
      "vitest/vitest.mjs",
      ["run", "--pool", pool, "--testTimeout", String(testTimeout), "--root", folder],
      {
        cwd: folder,
        env: { ...env(), CI: "1", NO_COLOR: "1" },
      },
    );
    assert.match(stdout, /Tests +6 passed \(6\)/);
  });
}

test("node:test, with its mock timers", async (t) => {
  const expect = `
    const expect = (value) => ({
      toBe: (other) => assert.equal(value, other),
      toMatch: (pattern) => assert.match(value, pattern),
      rejects: { toThrow: (message) => assert.rejects(value, { message }) },
    });`;
  const folder = projectIn(t, {
    "app.test.mjs": `import assert from "node:assert/strict";\nimport { mock, test } from "node:test";\n${imports}${expect}${cases(nodeTimers)}`,
  });
  const { stdout } = await run(process.execPath, ["--test", "--test-reporter=tap", "app.test.mjs"], {
    cwd: folder,
    env: env(),
  });
  assert.match(stdout, /^# pass 6$/m);
});

test("two copies of the package know each other's errors", async (t) => {
  const program = `
    import { cpSync } from "node:fs";
    import { createRequire } from "node:module";
    import { dirname } from "node:path";
    import * as first from "etcd2";
    const root = dirname(createRequire(import.meta.url).resolve("etcd2/package.json"));
    cpSync(root, "copy/node_modules/etcd2", { recursive: true });
    const second = createRequire(process.cwd() + "/copy/")("etcd2");
    const client = new first.Client({ endpoints: [process.env.ENDPOINT] });
    const error = await new second.KeysAPI(client).get("/none").catch((error) => error);
    console.log(first.Client !== second.Client, first.isKeyNotFound(error), second.isKeyNotFound(error));
    await client.close();`;
  const folder = projectIn(t, { "app.mjs": program });
  const { stdout } = await run(process.execPath, ["app.mjs"], { cwd: folder, env: env() });
  assert.equal(stdout, "true true true\n");
});
