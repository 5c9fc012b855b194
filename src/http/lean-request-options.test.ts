import assert from "node:assert/strict";
import test from "node:test";
import { got, Options } from "got";
import { ok, ScriptedServer } from "../testing/scripted-server.js";
import { leanRequestOptions } from "./lean-request-options.js";

test("lean request options: got still asks the method that we replace, and takes method, headers and agent from it", async () => {
  await using server = await ScriptedServer.start(ok());
  let asked = 0;
  const instance = got.extend({
    retry: { limit: 0 },
    handlers: [
      (options, next) => {
        leanRequestOptions(options);
        const lean = options.createNativeRequestOptions.bind(options);
        options.createNativeRequestOptions = () => {
          asked++;
          return lean();
        };
        return next(options);
      },
    ],
  });
  await instance(server.url, { method: "PUT", headers: { "x-mark": "here" }, body: "value=v" });
  const [request] = server.requests;
  assert.equal(asked, 1, "a got update no longer calls createNativeRequestOptions: requests still work, but slowly (see bench/)");
  assert.deepEqual([request?.method, request?.headers["x-mark"], request?.body], ["PUT", "here", "value=v"]);
});

test("lean request options: without the method, got's own way sends the same request", async () => {
  await using server = await ScriptedServer.start(ok());
  const before = new Options().createNativeRequestOptions.name;
  assert.equal(before, "createNativeRequestOptions");
  await got(server.url, { method: "PUT", headers: { "x-mark": "here" }, body: "value=v", retry: { limit: 0 } });
  const [request] = server.requests;
  assert.deepEqual([request?.method, request?.headers["x-mark"], request?.body], ["PUT", "here", "value=v"]);
});
