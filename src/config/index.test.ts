import assert from "node:assert/strict";
import test from "node:test";
import * as config from "./index.js";
import type * as types from "./index.js";

const runtimeNames = [
  "ConfigError",
  "ConfigSourceEtcd",
  "ConfigSourceFile",
  "EndpointsConfig",
  "ServiceConfig",
  "SourceAPI",
  "etcdListerWatcher",
  "jsonCodec",
  "operationCode",
];

/** Every exported type that has no runtime name: this file does not compile when one goes. */
export interface TypeNames {
  readonly names: [
    types.ApiVersion,
    types.Codec,
    types.ConfigErrorCode,
    types.ConfigOptions,
    types.ConfigSourceEtcdOptions,
    types.ConfigSourceFileOptions,
    types.EndpointAddress,
    types.Endpoints,
    types.EndpointsUpdate,
    types.EtcdListerWatcherOptions<unknown>,
    types.Handler<unknown>,
    types.Listing<unknown>,
    types.ListerWatcher<unknown>,
    types.ListOptions,
    types.ObjectMeta,
    types.Operation,
    types.Protocol,
    types.RegisterHandlerOptions,
    types.RegistryListing,
    types.Service,
    types.ServiceSpec,
    types.ServiceUpdate,
    types.SourceAPIOptions,
    types.TextOrigin,
    types.UpdatesOptions,
    types.UpdateSink<unknown>,
    types.Warning,
    types.WatchEvent<unknown>,
    types.WatchOptions,
  ];
}

test("config: exports exactly these names", () => {
  assert.deepEqual(Object.keys(config).sort(), runtimeNames);
});
