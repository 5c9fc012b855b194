import assert from "node:assert/strict";
import test from "node:test";
import {
  ConfigSourceEtcd,
  ConfigSourceFile,
  EndpointsConfig,
  etcdListerWatcher,
  ServiceConfig,
  SourceAPI,
} from "./index.js";

const wrong = (value: unknown): never => value as never;

for (const [what, missing, call] of [
  ["ConfigSourceEtcd", "client", (value: unknown) => new ConfigSourceEtcd(wrong(value))],
  ["ConfigSourceFile", "path", (value: unknown) => new ConfigSourceFile(wrong(value))],
  ["SourceAPI", "services", (value: unknown) => new SourceAPI(wrong(value))],
  ["etcdListerWatcher", "client", (value: unknown) => etcdListerWatcher(wrong(value))],
] as const) {
  test(`config: ${what} without options is a UsageError that names what is missing (FF48)`, () => {
    for (const value of [undefined, null]) {
      assert.throws(
        () => call(value),
        (error: unknown) => {
          assert.ok(error instanceof Error && error.name === "UsageError", String(error));
          assert.ok(error.message.includes(`"${missing}"`), error.message);
          return true;
        },
      );
    }
    assert.throws(() => call({}), { name: "UsageError", message: new RegExp(`options\\.${missing}`) });
  });
}

test("config: ServiceConfig and EndpointsConfig take no options, but not null or unknown ones (FF48)", () => {
  for (const make of [ServiceConfig, EndpointsConfig]) {
    new make(undefined);
    for (const bad of [null, 1, { onErr: 1 }, { signal: 1 }]) {
      assert.throws(() => new make(wrong(bad)), { name: "UsageError", code: "ERR_ARGUMENT" });
    }
  }
});
