import { EtcdError, EtcdErrorCode, isKeyNotFound, ResponseError } from "../util/errors.js";
import type { KeysAPI } from "./keys.js";
import type { KeyNode } from "./types.js";
import { filesOf } from "../util/files-of.js";
import { forEachInSlices } from "../util/slices.js";

/** The files of a subtree at one index. */
export interface Listing {
  readonly index: number;
  /** undefined if etcd did not report it. */
  readonly clusterId: string | undefined;
  readonly nodes: Map<string, KeyNode>;
}

/** A listing for a mirror. */
export interface NextListing extends Listing {
  /** Whether the store has started over since the last one. */
  readonly startedOver: boolean;
}

/**
 * Reads all files below a key, or the file. A key that does not exist, also because a file is in its way, is an empty subtree;
 * etcd gives the index with that, too.
 *
 * @param quorum undefined: as the client reads by default
 * @throws {ResponseError} without an index: a watch would begin "from now on", and miss what happened since the read
 */
export async function listFiles(
  keys: KeysAPI,
  key: string,
  quorum: boolean | undefined,
  signal: AbortSignal | undefined,
): Promise<Listing> {
  try {
    const { node, index, clusterId } = await keys.get(key, { recursive: true, sort: true, quorum, signal });
    requireIndex(key, index);
    const nodes = new Map<string, KeyNode>();
    await forEachInSlices(filesOf(node), (file) => nodes.set(file.key, file), signal);
    return { index, clusterId, nodes };
  } catch (error) {
    if (!(error instanceof EtcdError) || !isMissing(error)) throw error;
    requireIndex(key, error.index);
    return { index: error.index, clusterId: undefined, nodes: new Map() };
  }
}

/** Whether there is no such key: neither the key itself, nor all directories above it, one of which may be a file. */
function isMissing(error: EtcdError): boolean {
  return isKeyNotFound(error) || error.errorCode === EtcdErrorCode.notDir;
}

function requireIndex(key: string, index: number): void {
  if (index > 0) return;
  const message = `the list of ${key} came without X-Etcd-Index: a proxy removes it, or this is not etcd`;
  throw new ResponseError("ERR_INVALID_JSON", message, { status: 200, outcome: "notApplied" });
}
