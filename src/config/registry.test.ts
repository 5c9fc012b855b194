import assert from "node:assert/strict";
import test from "node:test";
import type { KeyNode, KeysResponse } from "../core/index.js";
import { jsonCodec } from "./codec.js";
import { Registry } from "./registry.js";
import { showEndpoints, showService } from "./test-kit/config-objects.js";

let index = 0;

function file(key: string, value: string): KeyNode {
  index++;
  return { key: `/reg/${key}`, value, dir: false, nodes: [], createdIndex: index, modifiedIndex: index };
}

function event(action: KeysResponse["action"], node: KeyNode, prevNode?: KeyNode): KeysResponse {
  return { action, node, index, clusterId: "", ...(prevNode !== undefined && { prevNode }) };
}

const web = file("specs/default/web", '{"port":80}');
const webEndpoints = file("endpoints/default/web", '{"endpoints":["10.0.0.1:8080"]}');

function registryWith(...nodes: readonly KeyNode[]): { readonly registry: Registry; readonly undecodable: string[] } {
  const undecodable: string[] = [];
  const registry = new Registry("/reg", jsonCodec, (key) => undecodable.push(key));
  registry.replace(nodes);
  return { registry, undecodable };
}

test("registry: objects are named by their path; a service without endpoints has a placeholder", () => {
  const { registry } = registryWith(web, file("specs/bare", '{"id":"other","port":1}'), webEndpoints);
  assert.deepEqual(registry.services.map(showService), ["default/web:80", "/bare:1"]);
  assert.deepEqual(registry.endpoints.map(showEndpoints), ["default/web 10.0.0.1:8080", "/bare"]);
});

test("registry: what cannot be decoded is reported, and keeps the last object", () => {
  const { registry, undecodable } = registryWith(web, webEndpoints);
  registry.replace([{ ...web, value: "garbage" }, webEndpoints, file("specs/default/new", "{")]);
  assert.deepEqual(registry.services.map(showService), ["default/web:80"]);
  assert.deepEqual(undecodable, ["/reg/specs/default/web", "/reg/specs/default/new"]);
});

test("registry: the changes of an event, as updates of each kind", () => {
  const { registry } = registryWith(web, webEndpoints);
  const apply = (each: KeysResponse): unknown => registry.apply(registry.changesOf(each));
  const set = registry.apply(registry.changesOf(event("create", file("specs/default/api", '{"port":1}'))));
  assert.deepEqual([set.services?.op, set.services?.services.map(showService)], ["add", ["default/api:1"]]);
  assert.deepEqual(apply(event("set", file("elsewhere", "{}"))), {});
  assert.deepEqual(apply(event("set", { ...file("specs/ns", ""), dir: true })), {});
  const removed = registry.apply(registry.changesOf(event("expire", { ...webEndpoints, value: "" })));
  assert.deepEqual(
    [removed.endpoints?.op, removed.endpoints?.endpoints.map(showEndpoints), removed.services],
    ["remove", ["default/web 10.0.0.1:8080"], undefined],
  );
});

test("registry: the removal of a directory, also of one above the root, removes every object below it", () => {
  for (const key of ["/reg/specs/default", "/reg/specs", "/reg", "/"]) {
    const { registry } = registryWith(web, file("specs/default/api", '{"port":1}'), webEndpoints);
    const update = registry.apply(registry.changesOf(event("delete", { ...file("", ""), key, dir: true })));
    assert.deepEqual(update.services?.services.map(showService).sort(), ["default/api:1", "default/web:80"], key);
    assert.deepEqual(registry.services, [], key);
  }
});

test("registry: a placeholder is removed with its service, real endpoints are not", () => {
  const { registry } = registryWith(web);
  const update = registry.apply(registry.changesOf(event("delete", { ...web, value: "" }, web)));
  assert.deepEqual(update.endpoints?.endpoints.map(showEndpoints), ["default/web"]);
  const real = registryWith(web, webEndpoints).registry;
  assert.equal(real.apply(real.changesOf(event("delete", { ...web, value: "" }, web))).endpoints, undefined);
});
