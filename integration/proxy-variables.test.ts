import assert from "node:assert/strict";
import test from "node:test";
import { Client, KeysAPI } from "../src/core/index.js";
import { refusedUrl } from "../src/test-kit/scripted-server.js";
import { clusterForTests } from "./support.js";

const cluster = clusterForTests("proxy-variables");

test("proxies: proxy variables of the environment are ignored", async (t) => {
  const refused = await refusedUrl();
  const names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
  const before = names.map((name) => [name, process.env[name]] as const);
  t.after(() => {
    for (const [name, value] of before) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  });
  for (const name of names) process.env[name] = refused;
  await using client = new Client({ endpoints: cluster.endpoints });
  const { node } = await new KeysAPI(client).set(`${cluster.dir}/a`, "1");
  assert.equal(node.value, "1");
});
