import assert from "node:assert/strict";
import test from "node:test";
import { endpoints, Recorder, showEndpoints } from "./test-kit/config-objects.js";
import { EndpointsConfig, operationCode, type Endpoints } from "./index.js";

test("config: endpoints of two sources are added, replaced and removed (config 7)", async () => {
  const config = new EndpointsConfig();
  const handler = new Recorder<Endpoints>(showEndpoints);
  config.registerHandler(handler);
  const [one, two] = [config.channel("one"), config.channel("two")];
  await one.send({ op: "add", endpoints: [endpoints("foo 1.1.1.1:80")] });
  await two.send({ op: "add", endpoints: [endpoints("bar 2.2.2.2:80")] });
  await two.send({ op: "add", endpoints: [endpoints("foobar 3.3.3.3:80")] });
  await one.send({ op: "add", endpoints: [endpoints("foo 4.4.4.4:80 5.5.5.5:80")] });
  await two.send({ op: "remove", endpoints: [endpoints("bar")] });
  assert.equal(handler.calls.length, 5);
  assert.deepEqual(handler.last, ["/foo 4.4.4.4:80 5.5.5.5:80", "/foobar 3.3.3.3:80"]);
});

test("operationCode: numbers of the Go implementation, as a function and by name", () => {
  assert.deepEqual((["set", "add", "remove"] as const).map(operationCode), [0, 1, 2]);
  assert.deepEqual([operationCode.set, operationCode.add, operationCode.remove], [0, 1, 2]);
  assert.deepEqual(Object.entries(operationCode), [
    ["set", 0],
    ["add", 1],
    ["remove", 2],
  ]);
  assert.throws(() => operationCode("update" as never), {
    code: "ERR_ARGUMENT",
    message: 'op must be "set", "add" or "remove", got string',
  });
});
