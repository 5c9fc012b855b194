import { safeCallback } from "../util/callback.js";
import { log } from "../util/log.js";
import type { KeyConflict } from "./owned-key.js";

/**
 * - `MIXED_VISIBILITY`: the service is public, and a private host registers, or its metadata became private
 * - `METADATA_INVALID`, `HOST_INVALID`: a stored value cannot be read
 * - `METADATA_DELETED`: the metadata is gone, and is written again
 * - `RETRY`: a request failed, and is tried again
 * - `RESTORED`: another program overwrote the key of a host of ours; it holds our value again
 * - `TAKEN_OVER`: another process has registered under the id of a host of ours; ours stands by until that one is gone
 * - `NOT_DELETED`: the key of a host that ended could not be deleted, and expires
 */
export type DiscoveryWarningCode =
  | "MIXED_VISIBILITY"
  | "METADATA_INVALID"
  | "METADATA_DELETED"
  | "HOST_INVALID"
  | "RETRY"
  | "RESTORED"
  | "TAKEN_OVER"
  | "NOT_DELETED";

/** Something that the owner of a service should know, and that the discovery has dealt with. Contains no credential. */
export interface DiscoveryWarning {
  /** What happened. */
  readonly code: DiscoveryWarningCode;
  /** The same in words. */
  readonly message: string;
  /** The name of the service. */
  readonly service: string;
  /** The key in etcd that it is about. */
  readonly key: string;
  /** What failed; absent if nothing did. */
  readonly error?: unknown;
}

/** Takes a warning; never throws. */
export type Warn = (warning: DiscoveryWarning) => void;

/** Logs each warning, and passes it to the user's handler. */
export function warner(handler: Warn | undefined): Warn {
  const onWarning = safeCallback("options.onWarning", handler);
  return (warning) => {
    log.discovery("%s: %s %s", warning.code, warning.key, warning.message);
    onWarning(warning);
  };
}

/** Warns of a key of ours that another program wrote. */
export const conflictWarnings: Readonly<
  Record<KeyConflict, { readonly code: "RESTORED" | "TAKEN_OVER"; readonly message: string }>
> = {
  restored: { code: "RESTORED", message: "another program overwrote this key; it holds our value again" },
  takenOver: {
    code: "TAKEN_OVER",
    message: "another process has registered under this id; this registration stands by until that one is gone",
  },
};
