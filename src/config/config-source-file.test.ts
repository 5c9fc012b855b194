import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { Recorder, showEndpoints, showService } from "./test-kit/config-objects.js";
import {
  ConfigError,
  ConfigSourceFile,
  EndpointsConfig,
  ServiceConfig,
  type Endpoints,
  type Service,
  type Warning,
} from "./index.js";

interface Running {
  readonly path: string;
  readonly source: ConfigSourceFile;
  readonly services: Recorder<Service>;
  readonly endpoints: Recorder<Endpoints>;
  readonly warnings: readonly Warning[];
  readonly warned: (count: number) => Promise<void>;
}

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "etcd2-file-source-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

function run(t: TestContext, path: string, pollMs: number): Running {
  const [serviceConfig, endpointsConfig] = [new ServiceConfig(), new EndpointsConfig()];
  const [services, endpoints] = [new Recorder<Service>(showService), new Recorder<Endpoints>(showEndpoints)];
  serviceConfig.registerHandler(services);
  endpointsConfig.registerHandler(endpoints);
  const warnings: Warning[] = [];
  let wake = (): void => undefined;
  const source = new ConfigSourceFile({
    path,
    pollMs,
    services: serviceConfig.channel("file"),
    endpoints: endpointsConfig.channel("file"),
    onWarning: (warning) => {
      warnings.push(warning);
      wake();
    },
  });
  t.after(async () => {
    await source.close();
    await Promise.all([serviceConfig.close(), endpointsConfig.close()]);
  });
  const warned = async (count: number): Promise<void> => {
    while (warnings.length < count) await new Promise<void>((resolve) => (wake = resolve));
  };
  return { path, source, services, endpoints, warnings, warned };
}

async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

const web = '{"Services":[{"Name":"web","Port":80,"Endpoints":["10.0.0.1:8000","[::1]:80"]}]}';

// no test here waits for the poll: it would take too long
const never = Infinity;

test("file source: a file is read, with fields in any case, and read again when it is replaced", async (t) => {
  const path = join(await folder(t), "services.json");
  await writeFile(path, web);
  const { source, services, endpoints } = run(t, path, never);
  await source.synced;
  assert.deepEqual(services.calls, [["/web:80"]]);
  assert.deepEqual(endpoints.calls, [["/web 10.0.0.1:8000 ::1:80"]]);
  await replaceFile(path, '{"services":[{"NAME":"web","port":80,"endpoints":["10.0.0.2:8000"]}]}');
  await endpoints.until(["/web 10.0.0.2:8000"]);
  await replaceFile(path, '{"SERVICES":[{"name":"web","pOrT":81,"Endpoints":["10.0.0.2:8000"]},{"name":"api"}]}');
  await services.until(["/api:0", "/web:81"]);
  await endpoints.until(["/api", "/web 10.0.0.2:8000"]);
  assert.equal(services.calls.length, 2, "services were sent although only endpoints had changed");
  await replaceFile(path, "{}");
  await services.until([]);
  await endpoints.until([]);
});

test("file source: a file that is written in place is noticed, too", async (t) => {
  const path = join(await folder(t), "services.json");
  await writeFile(path, "{}");
  const { source, services } = run(t, path, never);
  await source.synced;
  await writeFile(path, web);
  await services.until(["/web:80"]);
});

test("file source: a file that becomes bad or unreadable keeps the last state, with one warning each", async (t) => {
  const path = join(await folder(t), "services.json");
  await writeFile(path, web);
  const { source, services, endpoints, warnings, warned } = run(t, path, 20);
  await source.synced;
  await replaceFile(path, "{ s3cret");
  await warned(1);
  await rm(path);
  await warned(2);
  await replaceFile(path, '{"Services":[{"Name":"web","Endpoints":["10.0.0.1"]}]}');
  await warned(3);
  await replaceFile(path, '{"Services":[{"Port":80}]}');
  await warned(4);
  await replaceFile(path, web.replace("80,", "81,"));
  await services.until(["/web:81"]);
  assert.deepEqual(services.calls, [["/web:80"], ["/web:81"]]);
  assert.equal(endpoints.calls.length, 1);
  assert.deepEqual(
    warnings.map(({ key, error }) => [key, (error as { code?: unknown }).code]),
    [
      [path, "ERR_DECODE"],
      [path, "ENOENT"],
      [path, "ERR_DECODE"],
      [path, "ERR_DECODE"],
    ],
  );
  assert.ok(warnings[0]?.error instanceof ConfigError && !warnings[0].error.message.includes("s3cret"));
});

test("file source: the same content causes no call, also after the file was missing", async (t) => {
  const path = join(await folder(t), "services.json");
  await writeFile(path, web);
  const { source, services, endpoints, warned } = run(t, path, 20);
  await source.synced;
  await replaceFile(path, web);
  await replaceFile(path, `${web}\n`);
  await rm(path);
  await warned(1);
  await replaceFile(path, web.replace("10.0.0.1", "10.0.0.2"));
  await endpoints.until(["/web 10.0.0.2:8000 ::1:80"]);
  await replaceFile(path, web.replace("10.0.0.1", "10.0.0.2").replace("80,", "81,"));
  await services.until(["/web:81"]);
  assert.equal(services.calls.length, 2);
  assert.equal(endpoints.calls.length, 2);
});

test("file source: a file and its directory may be created later, and are found by the poll", async (t) => {
  const directory = join(await folder(t), "later");
  const path = join(directory, "services.json");
  const { source, services, warned } = run(t, path, 20);
  await warned(1);
  assert.deepEqual(services.calls, []);
  await mkdir(directory);
  await replaceFile(path, web);
  await source.synced;
  assert.deepEqual(services.calls, [["/web:80"]]);
});

test("file source: a directory that is replaced is watched again after the next poll", async (t) => {
  const directory = join(await folder(t), "data");
  const path = join(directory, "services.json");
  await mkdir(directory);
  await writeFile(path, web);
  const { source, services } = run(t, path, 20);
  await source.synced;
  await rename(directory, `${directory}.old`);
  await mkdir(directory);
  await replaceFile(path, web.replace("80,", "81,"));
  await services.until(["/web:81"]);
  await replaceFile(path, web.replace("80,", "82,"));
  await services.until(["/web:82"]);
});

test("file source: close() releases directory and timer; synced rejects if nothing was delivered (config 47)", async (t) => {
  const path = join(await folder(t), "services.json");
  const { source } = run(t, path, never);
  const unsynced = assert.rejects(source.synced, { code: "ERR_CLOSED" });
  await source.close();
  await source.close();
  await unsynced;
  assert.equal(await source.closed, undefined);
  // a handle is gone some turns after it is closed
  while (process.getActiveResourcesInfo().includes("FSEventWrap"))
    await new Promise((resolve) => setImmediate(resolve));
});

test("file source: bad options are refused, and missing ones (FF48)", () => {
  for (const bad of [undefined, null, {}, { path: "" }, { path: "x", nonsense: 1 }]) {
    assert.throws(() => new ConfigSourceFile(bad as unknown as ConstructorParameters<typeof ConfigSourceFile>[0]), {
      code: "ERR_ARGUMENT",
    });
  }
});
