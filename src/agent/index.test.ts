import assert from "node:assert/strict";
import test from "node:test";
import * as agent from "./index.js";
import type * as types from "./index.js";

/** Every exported type: this file does not compile when one is renamed or removed. */
export interface TypeNames {
  readonly agent: [types.Agent, types.AgentOptions, types.AgentWarning, types.AgentErrorCode, types.AdapterFactory];
  readonly options: [types.RegisterOptions, types.DeregisterOptions, types.QueryOptions, types.WatchOptions];
  readonly instances: [types.Instance, types.InstanceData, types.NewInstance, types.InstanceEvent, types.Operation];
  readonly watching: [types.Service, types.ServiceWatcher, types.AddressUpdate, types.DiffOptions];
  readonly backend: [types.Backend, types.HeldInstance, types.InstanceSource, types.SourceChange, types.SourceUpdate];
}

test("agent: exports exactly these names", () => {
  assert.deepEqual(Object.keys(agent).sort(), [
    "AgentError",
    "Diff",
    "adapters",
    "agentFromContext",
    "bindAgent",
    "createAgent",
    "createBackendAgent",
    "createInstance",
    "createLocalAgent",
    "operationCode",
    "registerAdapter",
    "resolveAddresses",
    "runWithAgent",
  ]);
});
