import { isKeyNotFound, type KeyNode, type KeysAPI } from "../core/index.js";
import { DiscoveryError } from "./errors.js";
import { readHost, type Host } from "./host.js";
import { childOf, hostsKey, infoKey, isServiceName, requireServiceName } from "./layout.js";
import type { GetOptions, ServiceSource } from "./lookup.js";
import { decodeInfo, emptyInfo, type ServiceInfo } from "./service-info.js";
import type { Warn } from "./warning.js";

/** Looks services up in etcd. */
export function etcdLookup(keys: () => KeysAPI, warn: Warn, allowNested: boolean, random: () => number): ServiceSource {
  return {
    random,
    async info(service, { signal, strict }) {
      requireServiceName(service, allowNested);
      const key = infoKey(service);
      const value = await orUndefined(async () => (await keys().get(key, { signal })).node.value);
      if (value === undefined) return emptyInfo(service);
      const info = readInfo(service, key, value, strict ?? false, warn);
      // data of libraries before 4.1 has no name, and a name that is not one of a service would lead to other keys
      return isServiceName(info.name, allowNested) ? info : { ...info, name: service };
    },
    async hosts(service, { signal, strict }) {
      const dir = hostsKey(service);
      const nodes = await orUndefined(
        async () => (await keys().get(dir, { recursive: true, sort: true, signal })).node.nodes,
      );
      return nodes?.flatMap((node) => hostOf(service, node, strict ?? false, warn) ?? []);
    },
  };
}

/**
 * The host in a file of a service's directory. undefined for what is not one, with a warning if it should be.
 *
 * @param strict throw instead of warning
 * @throws {DiscoveryError} `ERR_DECODE`
 */
export function hostOf(service: string, { key, value, dir }: KeyNode, strict: boolean, warn: Warn): Host | undefined {
  if (dir || childOf(hostsKey(service), key) === undefined) return undefined;
  try {
    return readHost(key, value);
  } catch (error) {
    if (strict || !(error instanceof DiscoveryError)) throw error;
    warn({ code: "HOST_INVALID", service, key, message: error.message, error });
    return undefined;
  }
}

function readInfo(service: string, key: string, value: string, strict: GetOptions["strict"], warn: Warn): ServiceInfo {
  try {
    return decodeInfo(key, value);
  } catch (error) {
    if (strict === true || !(error instanceof DiscoveryError)) throw error;
    warn({ code: "METADATA_INVALID", service, key, message: error.message, error });
    return emptyInfo(service);
  }
}

async function orUndefined<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isKeyNotFound(error)) return undefined;
    throw error;
  }
}
