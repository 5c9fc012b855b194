import { isCompareFailed, isKeyNotFound, isNodeExist, Mirror, type KeyNode, type KeysAPI } from "../core/index.js";
import { DiscoveryError } from "./errors.js";
import { infoKey } from "./layout.js";
import { retry } from "./retry.js";
import type { Credentials } from "./registration.js";
import { decodeInfo, encodeInfo, type ServiceInfo } from "./service-info.js";
import { wordsOf, type Warn } from "./warning.js";

export interface MetadataContext {
  readonly keys: KeysAPI;
  readonly service: string;
  readonly retryMs: number;
  readonly warn: Warn;
}

/** Metadata as a registration wrote it. */
export interface Announced {
  readonly info: ServiceInfo;
  /** etcd's index of that write. */
  readonly index: number;
}

/** One attempt of a public host to write its service's metadata, whoever wrote it before. */
export async function impose(
  { keys, service }: MetadataContext,
  info: ServiceInfo,
  signal: AbortSignal,
): Promise<Announced> {
  const { node } = await keys.set(infoKey(service), encodeInfo(info), { signal });
  return { info, index: node.modifiedIndex };
}

/** The same, but with the credentials that the service has, if it has any. */
export async function adopt(context: MetadataContext, info: ServiceInfo, signal: AbortSignal): Promise<Announced> {
  const { keys, service } = context;
  const stored = await read(context, signal);
  const { user, password } = stored?.info?.public === true ? stored.info : info;
  const adopted = { ...info, user, password };
  const { node } = await keys.set(infoKey(service), encodeInfo(adopted), {
    ...(stored === undefined ? { prevExist: false } : { prevIndex: stored.node.modifiedIndex }),
    signal,
  });
  return { info: adopted, index: node.modifiedIndex };
}

/** One attempt of a private host, which leaves a public service's metadata alone: its peers would lose their credentials. */
export async function announcePrivate(context: MetadataContext, info: ServiceInfo, signal: AbortSignal): Promise<void> {
  const { keys, service, warn } = context;
  const key = infoKey(service);
  const value = encodeInfo(info);
  try {
    await keys.create(key, value, { signal });
    return;
  } catch (error) {
    if (!isNodeExist(error)) throw error;
  }
  const stored = await read(context, signal);
  if (stored?.info?.public === true) {
    warn({
      code: "MIXED_VISIBILITY",
      service,
      key,
      message: "the service is public: its metadata stays as it is, though a private host registers",
    });
  } else if (stored?.node.value !== value) {
    await keys.set(key, value, {
      ...(stored === undefined ? { prevExist: false } : { prevIndex: stored.node.modifiedIndex }),
      signal,
    });
  }
}

/** Whether a write lost against another one: to be tried again, and nothing to be told. */
export function isRace(error: unknown): boolean {
  return isCompareFailed(error) || isNodeExist(error) || isKeyNotFound(error);
}

/**
 * Follows the credentials of a public service until the signal aborts; rejects with its reason. What was announced
 * comes back only when somebody changes it.
 *
 * @param current what the metadata should be, should it be gone
 * @param apply told of each new pair, one after the other
 */
export async function followCredentials(
  context: MetadataContext,
  announced: Announced,
  current: () => ServiceInfo,
  apply: (credentials: Credentials) => Promise<void>,
  signal: AbortSignal,
): Promise<never> {
  const { keys, service, warn, retryMs } = context;
  const key = infoKey(service);
  const onError = (error: unknown): void => {
    warn({ code: "RETRY", service, key, message: wordsOf(error), error });
  };
  const mirror = new Mirror(keys, key, { onError, maxRetryMs: retryMs, minRetryMs: Math.min(100, retryMs) });
  let seen: KeyNode | undefined;
  for (let first = true; ; first = false) {
    const { index } = await retry(() => mirror.next(signal), { retryMs, onError, signal });
    // a member that lags behind our own write; the watch goes on from there and comes upon it
    if (first && index < announced.index) continue;
    const node = mirror.nodes.get(key);
    if (node === undefined) {
      warn({ code: "METADATA_DELETED", service, key, message: "the metadata is gone: writing it again" });
      await retry(() => restore(keys, key, encodeInfo(current()), signal), { retryMs, onError, signal });
    } else if (node.modifiedIndex !== seen?.modifiedIndex) {
      seen = node;
      const pair = credentialsOf(context, node);
      if (pair !== undefined && !isSame(pair, current())) await apply(pair);
    }
  }
}

/** undefined, and a warning, where the metadata gives none: a private host, or garbage, must not take ours away. */
function credentialsOf({ service, warn }: MetadataContext, { key, value }: KeyNode): Credentials | undefined {
  try {
    const info = decodeInfo(key, value);
    if (info.public) return { user: info.user, password: info.password };
    warn({
      code: "MIXED_VISIBILITY",
      service,
      key,
      message: "the metadata became private: the credentials stay as they are",
    });
  } catch (error) {
    if (!(error instanceof DiscoveryError)) throw error;
    warn({ code: "METADATA_INVALID", service, key, message: error.message, error });
  }
  return undefined;
}

async function restore(keys: KeysAPI, key: string, value: string, signal: AbortSignal): Promise<void> {
  try {
    await keys.create(key, value, { signal });
  } catch (error) {
    // a peer was faster
    if (!isNodeExist(error)) throw error;
  }
}

/** What is stored; `info` is absent where it cannot be read. */
async function read(
  { keys, service }: MetadataContext,
  signal: AbortSignal,
): Promise<{ readonly node: KeyNode; readonly info?: ServiceInfo } | undefined> {
  const key = infoKey(service);
  try {
    const { node } = await keys.get(key, { quorum: true, signal });
    return { node, ...infoOrNothing(key, node.value) };
  } catch (error) {
    if (isKeyNotFound(error)) return undefined;
    throw error;
  }
}

function infoOrNothing(key: string, value: string): { readonly info?: ServiceInfo } {
  try {
    return { info: decodeInfo(key, value) };
  } catch (error) {
    if (!(error instanceof DiscoveryError)) throw error;
    return {};
  }
}

function isSame(a: Credentials, b: Credentials): boolean {
  return a.user === b.user && a.password === b.password;
}
