/**
 * The client of etcd's v2 API: keys, watching, members, users and roles.
 *
 * Guides: [Getting started](../../docs/guides/getting-started.md), [Watching without losing](../../docs/guides/watching.md), [Writes](../../docs/guides/writes.md), [Operating](../../docs/guides/operating.md), [Errors](../../docs/guides/errors.md).
 *
 * @module etcd2
 */
export { AuthAPI, AuthRoleAPI, AuthUserAPI, PermissionType } from "./auth.js";
export type {
  AddMemberCall,
  AdminCall,
  At,
  Call,
  Compare,
  CompareAndDeleteCall,
  CompareAndSwapCall,
  CreateCall,
  DeleteCall,
  GetCall,
  KeysCall,
  NamedCall,
  PutRoleCall,
  PutUserCall,
  RolePatterns,
  SetCall,
  StatusCall,
  Uint64,
  UpdateMemberCall,
  WatchCall,
  Write,
} from "./call.js";
export { DecodeError, type Codec } from "./codec.js";
export { Client } from "./client.js";
export type { ClientOptions } from "./client-options.js";
export type { AutoSyncOptions } from "./cluster/auto-sync-options.js";
export type {
  AttemptMessage,
  CallMessage,
  HeartbeatMessage,
  ListMessage,
  SwitchMessage,
  TermMessage,
} from "../util/diagnostics.js";
export type { Env } from "../util/env.js";
export { EndpointSelectionMode } from "./cluster/selection.js";
export {
  ClusterError,
  EndpointError,
  EtcdError,
  EtcdErrorCode,
  isCompareFailed,
  isIndexCleared,
  isKeyNotFound,
  isNodeExist,
  isRoleNotFound,
  isUnauthorized,
  isUserNotFound,
  ResponseError,
  SdkError,
  UsageError,
  type ClusterErrorCode,
  type EndpointErrorCode,
  type EndpointErrorFields,
  type EtcdErrorFields,
  type Outcome,
  type ResponseErrorCode,
  type ResponseErrorFields,
  type UsageErrorCode,
} from "../util/errors.js";
export type {
  ConnectionHold,
  Exchange,
  Protocol,
  RawResponse,
  RequestLimits,
  RequestSpec,
  ResponseHead,
  Sender,
} from "../http/exchange.js";
export type { OwnAgents } from "../http/got/own-agents.js";
export type { TlsOptions } from "../http/tls-options.js";
export { disableCurlDebug, enableCurlDebug } from "../http/curl-debug.js";
export { jsonCodec, type SchemaIssue, type SchemaResult, type StandardSchema } from "./json-codec.js";
export { KeysAPI } from "./keys.js";
export { keysOf, type KeysClient } from "./keys-of.js";
export type {
  CreateInOrderOptions,
  CreateOptions,
  DeleteOptions,
  GetOptions,
  KeysOptions,
  RefreshOptions,
  SetOptions,
  UpdateOptions,
  WatcherOptions,
} from "./keys-options.js";
export type {
  Administered,
  AnswerNode,
  CallContext,
  Credentials,
  Done,
  KeysStore,
  KeysWatch,
  Place,
  Refused,
} from "./keys-store.js";
export { clientFromEnv, clientOptionsFromEnv } from "./from-env.js";
export type { EndpointHealth, HealthOptions } from "./health.js";
export type { ReadyOptions } from "./ready.js";
export { StatsAPI, type StatsOptions } from "./stats.js";
export type { FollowerStats, LeaderStats, OperationCounts, SelfStats, StoreStats } from "./types-stats.js";
export { Mirror } from "./mirror.js";
export type { MirrorChange, MirrorUpdate } from "./mirror-changes.js";
export type { MirrorOptions } from "./mirror-options.js";
export { MembersAPI } from "./members.js";
export {
  SrvDiscoverer,
  type Discoverer,
  type SrvDiscovererOptions,
  type SrvRecord,
  type SrvResolver,
} from "./srv-discoverer.js";
export { TypedKeys, type TypedCreateOptions, type TypedSetOptions, type TypedUpdateOptions } from "./typed-keys.js";
export { TypedMirror, type TypedMirrorChange, type TypedMirrorUpdate } from "./typed-mirror.js";
export type {
  RemovedNode,
  RemovingAction,
  TypedDirectory,
  TypedEvent,
  TypedFile,
  TypedNode,
  TypedRead,
  TypedWrite,
} from "./typed-types.js";
export { TypedWatcher } from "./typed-watcher.js";
export {
  compareNodes,
  type KeyNode,
  type KeysAction,
  type KeysResponse,
  type KeysSummary,
  type Member,
  type RaftPosition,
  type Role,
  type User,
  type Versions,
} from "./types.js";
export { Watcher } from "./watcher.js";
