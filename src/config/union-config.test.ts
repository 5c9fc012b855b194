import assert from "node:assert/strict";
import test from "node:test";
import { ServiceConfig, type Service } from "./index.js";
import { Recorder, service, showService } from "./test-kit/config-objects.js";

test("config: bySource() with a name gives the object of each source that has it", async () => {
  const config = new ServiceConfig();
  await config.channel("one").send({ op: "add", services: [service("web:1"), service("ns/web:2")] });
  await config.channel("two").send({ op: "add", services: [service("web:3")] });
  const shown = (found: ReadonlyMap<string, Service>): unknown =>
    [...found].map(([name, each]) => [name, showService(each)]);
  assert.deepEqual(shown(config.bySource("web")), [
    ["one", "/web:1"],
    ["two", "/web:3"],
  ]);
  assert.deepEqual(shown(config.bySource("web", "ns")), [["one", "ns/web:2"]]);
  assert.deepEqual(shown(config.bySource("none")), []);
  assert.deepEqual([...config.bySource().keys()], ["one", "two"]);
  assert.throws(() => config.bySource(1 as never), { code: "ERR_ARGUMENT" });
});

test("config: an error thrown by a handler becomes a process warning if there is no onError", async (t) => {
  const warnings: string[] = [];
  t.mock.method(process, "emitWarning", (text: string) => warnings.push(text));
  const config = new ServiceConfig();
  config.registerHandler(() => {
    throw new Error("first");
  });
  const second = new Recorder<Service>(showService);
  config.registerHandler(second);
  await config.channel("one").send({ op: "add", services: [service("a")] });
  assert.deepEqual(warnings, ["a handler of the config threw: first"]);
  assert.equal(second.calls.length, 1);
});
