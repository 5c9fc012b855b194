/**
 * Services and their instances, the same for every backend: etcd, Consul, or this process alone.
 *
 * Guide: [Services](../../docs/guides/services.md).
 *
 * @module etcd2/agent
 */
export {
  operationCode,
  type Agent,
  type AgentWarning,
  type DeregisterOptions,
  type InstanceEvent,
  type Operation,
  type QueryOptions,
  type RegisterOptions,
  type Service,
  type ServiceWatcher,
  type WatchOptions,
} from "./agent.js";
export type { AgentOptions } from "./agent-options.js";
export type { Backend, HeldInstance, InstanceSource, SourceChange, SourceUpdate } from "./backend.js";
export { createBackendAgent } from "./backend-agent.js";
export { agentFromContext, bindAgent, runWithAgent } from "./context.js";
export { adapters, createAgent, registerAdapter, type AdapterFactory } from "./create-agent.js";
export { Diff, type DiffOptions } from "./diff.js";
export { AgentError, type AgentErrorCode } from "./errors.js";
export { createInstance, type Instance, type InstanceData, type NewInstance } from "./instance.js";
export { createLocalAgent } from "./local-agent.js";
export { resolveAddresses, type AddressUpdate } from "./resolve-addresses.js";
export type { OperationCodes } from "../util/operation-codes.js";
