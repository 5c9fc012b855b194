import { isKeyNotFound, isNodeExist, Mirror, SdkError, UsageError, type KeyNode, type KeysAPI } from "../core/index.js";
import { Backoff } from "../util/backoff.js";
import { messageOf } from "../util/error-like.js";
import { retry } from "../util/retry.js";
import { DiscoveryError } from "./errors.js";
import { infoKey } from "./layout.js";
import type { Credentials } from "./registration.js";
import { decodeInfo, encodeInfo, type ServiceInfo } from "./service-info.js";
import type { Warn } from "./warning.js";

/** What every step of a registration needs. */
export interface MetadataContext {
  /** The keys to read and write with. */
  readonly keys: KeysAPI;
  /** The name of the service. */
  readonly service: string;
  /** Longest pause after a failure, in ms. */
  readonly retryMs: number;
  /** Never throws. */
  readonly warn: Warn;
}

/** The metadata as a registration wrote it. */
export interface Announced {
  /** What was written. */
  readonly info: ServiceInfo;
  /** etcd's index of that write. */
  readonly index: number;
}

/**
 * One attempt of a public host to write its service's metadata over that of any other host. It compares with what it has
 * read: a plain set that is stuck in a frozen member would undo what a later host has written.
 *
 * @param adopts keep the credentials that the service has, if it is public
 * @throws {EtcdError} another host wrote first: see {@link isRace}
 */
export async function announcePublic(
  context: MetadataContext,
  own: ServiceInfo,
  adopts: boolean,
  signal: AbortSignal,
): Promise<Announced> {
  const stored = await read(context, signal);
  const { user, password } = adopts && stored?.info?.public === true ? stored.info : own;
  const info = { ...own, user, password };
  const value = encodeInfo(info);
  if (stored?.node.value === value) return { info, index: stored.node.modifiedIndex };
  return { info, index: await write(context, value, stored?.node, signal) };
}

/** One attempt of a private host. It leaves the metadata of a public service alone: the other hosts would lose their credentials. */
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
      message: "a private host registers for a public service, and leaves its metadata as it is",
    });
  } else if (stored?.node.value !== value) {
    await write(context, value, stored?.node, signal);
  }
}

/** Writes over what was read, if it is still there. Resolves to etcd's index of the write. */
async function write(
  { keys, service }: MetadataContext,
  value: string,
  over: KeyNode | undefined,
  signal: AbortSignal,
): Promise<number> {
  const condition = over === undefined ? { prevExist: false } : { prevIndex: over.modifiedIndex };
  return (await keys.set(infoKey(service), value, { ...condition, signal })).node.modifiedIndex;
}

/**
 * Whether a registration goes on after a failure, a refusal by etcd included: rights may be granted later. Only a closed
 * client, a bad argument and a fault of the program end it.
 */
export function isSurvivable(error: unknown): boolean {
  return error instanceof SdkError && !(error instanceof UsageError);
}

/**
 * Follows the credentials of a public service until the signal aborts; rejects with its reason.
 *
 * @param announced what was written; only later changes count
 * @param current what to write if the metadata is gone
 * @param apply called with each new pair, one after the other
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
    warn({ code: "RETRY", service, key, message: messageOf(error), error });
  };
  const minRetryMs = Math.min(100, retryMs);
  const mirror = new Mirror(keys, key, { onError, maxRetryMs: retryMs, minRetryMs });
  const persist = {
    signal,
    backoff: new Backoff(minRetryMs, retryMs),
    isTransient: isSurvivable,
    onFailure: onError,
  };
  let seen: KeyNode | undefined;
  for (let first = true; ; first = false) {
    const { index } = await retry(() => mirror.next(signal), persist);
    // a member that lags behind our own write; the watch goes on from there and reaches it
    if (first && index < announced.index) continue;
    const node = mirror.get(key);
    if (node === undefined) {
      warn({ code: "METADATA_DELETED", service, key, message: "the metadata is gone, and is written again" });
      await retry(() => restore(keys, key, encodeInfo(current()), signal), persist);
    } else if (node.modifiedIndex !== seen?.modifiedIndex) {
      seen = node;
      const pair = credentialsOf(context, node);
      if (pair !== undefined && !isSame(pair, current())) await apply(pair);
    }
  }
}

/** Returns undefined and warns if the metadata has none: a private host, or garbage, must not remove ours. */
function credentialsOf({ service, warn }: MetadataContext, { key, value }: KeyNode): Credentials | undefined {
  try {
    const info = decodeInfo(key, value);
    if (info.public) return { user: info.user, password: info.password };
    warn({
      code: "MIXED_VISIBILITY",
      service,
      key,
      message: "the metadata of the public service became private; the credentials stay as they are",
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
    // another host was faster
    if (!isNodeExist(error)) throw error;
  }
}

/** The metadata as it is stored, undefined if there is none; `info` is absent if it cannot be read. */
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
