import assert from "node:assert/strict";
import { createRequire } from "node:module";
import test from "node:test";
import * as core from "./index.js";
import type * as types from "./index.js";

const runtimeNames = [
  "AuthAPI",
  "AuthRoleAPI",
  "AuthUserAPI",
  "Client",
  "ClusterError",
  "DecodeError",
  "EndpointError",
  "EndpointSelectionMode",
  "EtcdError",
  "EtcdErrorCode",
  "KeysAPI",
  "MembersAPI",
  "Mirror",
  "PermissionType",
  "ResponseError",
  "SdkError",
  "SrvDiscoverer",
  "StatsAPI",
  "TypedKeys",
  "TypedMirror",
  "TypedWatcher",
  "UsageError",
  "Watcher",
  "clientFromEnv",
  "clientOptionsFromEnv",
  "compareNodes",
  "disableCurlDebug",
  "enableCurlDebug",
  "isCompareFailed",
  "isIndexCleared",
  "isKeyNotFound",
  "isNodeExist",
  "isRoleNotFound",
  "isUnauthorized",
  "isUserNotFound",
  "jsonCodec",
  "keysOf",
];

/** Every exported type without a runtime value: this file does not compile if one is removed. */
export interface TypeNames {
  readonly client: [types.Env, types.ClientOptions, types.AutoSyncOptions, types.TlsOptions, types.Versions];
  readonly http: [
    types.Exchange,
    types.RawResponse,
    types.RequestLimits,
    types.RequestSpec,
    types.ResponseHead,
    types.Sender,
  ];
  readonly keys: [
    types.KeyNode,
    types.KeysAction,
    types.KeysResponse,
    types.KeysSummary,
    types.KeysClient,
    types.KeysOptions,
    types.GetOptions,
    types.SetOptions,
  ];
  readonly moreKeys: [
    types.CreateOptions,
    types.CreateInOrderOptions,
    types.UpdateOptions,
    types.RefreshOptions,
    types.DeleteOptions,
    types.WatcherOptions,
  ];
  readonly codecs: [
    types.Codec<1>,
    types.StandardSchema<1>,
    types.SchemaResult<1>,
    types.SchemaIssue,
    types.TypedSetOptions,
    types.TypedCreateOptions,
    types.TypedUpdateOptions,
  ];
  readonly typed: [
    types.TypedNode<1>,
    types.TypedFile<1>,
    types.TypedDirectory<1>,
    types.RemovedNode,
    types.RemovingAction,
    types.TypedEvent<1>,
    types.TypedRead<1>,
    types.TypedWrite<1>,
  ];
  readonly typedMirror: [types.TypedMirrorChange<1>, types.TypedMirrorUpdate<1>];
  readonly status: [types.EndpointHealth, types.HealthOptions, types.ReadyOptions];
  readonly stats: [
    types.StatsOptions,
    types.SelfStats,
    types.LeaderStats,
    types.FollowerStats,
    types.StoreStats,
    types.OperationCounts,
  ];
  readonly messages: [
    types.AttemptMessage,
    types.CallMessage,
    types.HeartbeatMessage,
    types.ListMessage,
    types.SwitchMessage,
    types.TermMessage,
  ];
  readonly mirror: [types.MirrorChange, types.MirrorOptions, types.MirrorUpdate];
  readonly others: [
    types.Member,
    types.User,
    types.Role,
    types.Discoverer,
    types.SrvDiscovererOptions,
    types.SrvRecord,
    types.SrvResolver,
  ];
  readonly calls: [
    types.Call,
    types.KeysCall,
    types.WatchCall,
    types.AdminCall,
    types.At,
    types.Write,
    types.Compare,
    types.Uint64,
    types.RolePatterns,
  ];
  readonly keysCalls: [
    types.GetCall,
    types.SetCall,
    types.CreateCall,
    types.CompareAndSwapCall,
    types.DeleteCall,
    types.CompareAndDeleteCall,
  ];
  readonly adminCalls: [
    types.StatusCall,
    types.NamedCall,
    types.AddMemberCall,
    types.UpdateMemberCall,
    types.PutUserCall,
    types.PutRoleCall,
  ];
  readonly store: [
    types.KeysStore,
    types.CallContext,
    types.Credentials,
    types.Place,
    types.Done,
    types.Refused,
    types.AnswerNode,
    types.KeysWatch,
    types.Administered,
  ];
  readonly errorCodes: [types.ClusterErrorCode, types.EndpointErrorCode, types.ResponseErrorCode, types.UsageErrorCode];
  readonly errorFields: [types.EndpointErrorFields, types.EtcdErrorFields, types.ResponseErrorFields, types.Outcome];
}

test("core: exports exactly these names", () => {
  assert.deepEqual(Object.keys(core).sort(), runtimeNames);
});

test("core: require() returns the same module", () => {
  const required = createRequire(import.meta.url)("./index.js") as typeof core;
  assert.equal(required.Client, core.Client);
});

test("core: enumerations are objects of strings", () => {
  assert.deepEqual(core.EndpointSelectionMode, { random: "random", prioritizeLeader: "prioritizeLeader" });
  assert.deepEqual(core.PermissionType, { read: "read", write: "write", readWrite: "readWrite" });
});

/** A consumer that relies only on the documented API: its code must compile and run with a minimal sender. */
async function consumer(sender: types.Sender): Promise<readonly string[]> {
  const keys = new core.KeysAPI(sender, { prefix: "/v2/keys" });
  const seen: string[] = [];
  const read: types.KeysResponse = await keys.get("/k", {
    recursive: true,
    sort: true,
    quorum: true,
    signal: AbortSignal.timeout(60_000),
  });
  const { key, value, dir, nodes, createdIndex, modifiedIndex, expiration, ttl }: types.KeyNode = read.node;
  const before: types.KeyNode | undefined = read.prevNode;
  const when: Date | undefined = expiration;
  seen.push(
    `${read.action} ${key} ${value} ${String(dir)} ${String(nodes.length)} ${String(createdIndex)} ${String(modifiedIndex)} ${String(when)} ${String(ttl)} ${String(before?.key)}`,
  );
  const options: types.SetOptions = {
    prevValue: "p",
    prevIndex: 1,
    prevExist: true,
    ttl: 1,
    dir: false,
    refresh: undefined,
  };
  const written: types.KeysResponse = await keys.set("/k", "v", { ...options, noValueOnSuccess: false });
  const summary: types.KeysSummary = await keys.set("/k", "v", { noValueOnSuccess: true });
  seen.push(`${written.node.value} ${summary.action} ${String(summary.index)} ${summary.clusterId}`);
  const more: readonly types.KeysResponse[] = [
    await keys.create("/k", "v", { ttl: 1 }),
    await keys.update("/k", "v", { prevIndex: 1 }),
    await keys.refresh("/k", 5),
    await keys.createInOrder("/k", "v"),
    await keys.delete("/k", { recursive: true, dir: true }),
  ];
  seen.push(String(more.length));
  const watcher: types.Watcher = keys.watcher("/k", { afterIndex: 1, recursive: true });
  for await (const event of watcher.events()) {
    seen.push(event.node.key);
    break;
  }
  return seen;
}

test("core: a consumer that relies only on the documented API works", async () => {
  const sender: types.Sender = {
    send: () =>
      Promise.resolve({
        status: 200,
        headers: {},
        body: '{"action":"get","node":{"key":"/k","value":"v","modifiedIndex":7,"createdIndex":7}}',
      }),
  };
  assert.deepEqual(await consumer(sender), [
    "get /k v false 0 7 7 undefined undefined undefined",
    "v get 0 ",
    "5",
    "/k",
  ]);
});

test("core: custom transports, disposal of clients and narrowing of errors by class work", async () => {
  const transport: types.Exchange = (url, spec, signal) => {
    signal?.throwIfAborted();
    return Promise.resolve({
      status: 404,
      headers: {},
      body: JSON.stringify({ errorCode: 100, message: `${spec.method} ${url.pathname}`, cause: "/k", index: 5 }),
    });
  };
  const mode: types.EndpointSelectionMode = core.EndpointSelectionMode.prioritizeLeader;
  await using client = new core.Client({
    endpoints: ["http://127.0.0.1:1", new URL("http://127.0.0.1:2")],
    selectionMode: mode,
    transport,
  });
  const error: unknown = await new core.KeysAPI(client).get("/k").catch((reason: unknown) => reason);
  assert.ok(error instanceof core.EtcdError && core.isKeyNotFound(error));
  const code: "ERR_ETCD" = error.code;
  assert.deepEqual(
    [code, error.errorCode === core.EtcdErrorCode.keyNotFound, error.serverMessage],
    ["ERR_ETCD", true, "GET /v2/keys/k"],
  );
});
