import assert from "node:assert/strict";
import { createRequire } from "node:module";
import test from "node:test";
import * as server from "./index.js";
import type * as types from "./index.js";

/** Every exported type: this file does not compile when one goes. */
export type TypeNames = [types.V2Server, types.V2ServerOptions, types.ListenOptions, types.ListenTls];

test("server: exports exactly these names", () => {
  assert.deepEqual(Object.keys(server).sort(), ["clientStore", "createV2Server"]);
});

test("server: require() returns the same module", () => {
  const required = createRequire(import.meta.url)("./index.js") as typeof server;
  assert.equal(required.createV2Server, server.createV2Server);
});
