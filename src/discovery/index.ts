/**
 * Services registered in etcd: register, look up, subscribe.
 *
 * Guide: [Services](../../docs/guides/services.md).
 *
 * @module etcd2/discovery
 */
export { get, getForShard, register, subscribe, subscribeDown, subscribeNew } from "./default.js";
export { createDiscovery, type Discovery, type DiscoveryOptions } from "./discovery.js";
export { DiscoveryError, type DiscoveryErrorCode } from "./errors.js";
export { createEtcdAgent, type EtcdAgentOptions } from "./etcd-agent.js";
export { createEtcdDiscoveryAgent, type EtcdDiscoveryAgentOptions } from "./etcd-discovery-agent.js";
export type { Env } from "../util/env.js";
export { client, clientFromEnv, clientOptionsFromEnv, kapi } from "./from-env.js";
export {
  createHost,
  decodeHost,
  encodeHost,
  type CreateHostOptions,
  type Host,
  type HostInit,
  type Hosts,
} from "./host.js";
export type { KeepAliveMode } from "./owned-key.js";
export type { GetOptions, HostResponse, QueryOptions, Service, ServiceResponse } from "./lookup.js";
export { HEARTBEAT_DURATION, type RegisterOptions } from "./register.js";
export {
  createRegistration,
  type Credentials,
  type Registration,
  type RegistrationState,
  type WaitOptions,
} from "./registration.js";
export type { KeyEvent, SubscribeOptions, Subscription } from "./subscribe.js";
export type { Ports, UrlOptions } from "./url.js";
export type { DiscoveryWarning, DiscoveryWarningCode } from "./warning.js";
