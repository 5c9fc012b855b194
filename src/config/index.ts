/**
 * Services and their endpoints from etcd, files and other sources, merged and handed to handlers.
 *
 * Guide: [Configuration](../../docs/guides/configuration.md).
 *
 * @module etcd2/config
 */
export { SourceAPI, type SourceAPIOptions } from "./source-api.js";
export { jsonCodec, type ApiVersion, type Codec, type TextOrigin } from "./codec.js";
export { EndpointsConfig } from "./endpoints-config.js";
export { ConfigError, type ConfigErrorCode } from "./errors.js";
export { ConfigSourceEtcd, type ConfigSourceEtcdOptions, type RegistryListing } from "./config-source-etcd.js";
export { ConfigSourceFile, type ConfigSourceFileOptions } from "./config-source-file.js";
export {
  etcdListerWatcher,
  type EtcdListerWatcherOptions,
  type ListerWatcher,
  type Listing,
  type ListOptions,
  type WatchEvent,
  type WatchOptions,
} from "./lister-watcher.js";
export { ServiceConfig } from "./service-config.js";
export {
  operationCode,
  type EndpointAddress,
  type Endpoints,
  type EndpointsUpdate,
  type Handler,
  type ObjectMeta,
  type Operation,
  type Protocol,
  type Service,
  type ServiceSpec,
  type ServiceUpdate,
  type UpdateSink,
  type Warning,
} from "./types.js";
export type { ConfigOptions, RegisterHandlerOptions, UpdatesOptions } from "./union-config.js";
export type { OperationCodes } from "../util/operation-codes.js";
export type { Reader } from "../util/queue.js";
