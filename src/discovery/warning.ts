import { log } from "../util/log.js";
import type { KeyConflict } from "./owned-key.js";

/**
 * - `MIXED_VISIBILITY`: the service is public, and a private host registers, or its metadata became private
 * - `METADATA_INVALID`, `HOST_INVALID`: a stored value cannot be read
 * - `METADATA_DELETED`: the metadata is gone, and is written again
 * - `RETRY`: a request failed, and is tried again
 * - `RESTORED`: somebody overwrote the key of a host of ours; it holds our value again
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

/** Something a service's owner should know, and that was handled. Holds no credential. */
export interface DiscoveryWarning {
  readonly code: DiscoveryWarningCode;
  readonly message: string;
  readonly service: string;
  /** The key it is about. */
  readonly key: string;
  /** What failed, if something did. */
  readonly error?: unknown;
}

export type Warn = (warning: DiscoveryWarning) => void;

/** Logs each warning, and hands it on; what the handler throws is logged and dropped. */
export function warner(handler: Warn | undefined): Warn {
  return (warning) => {
    log.discovery("%s: %s %s", warning.code, warning.key, warning.message);
    try {
      handler?.(warning);
    } catch (error) {
      log.discovery("onWarning threw: %s", error instanceof Error ? error.message : "");
    }
  };
}

/** The words of an error, for a warning. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : "something that is not an error was thrown";
}

/** What a warning says about a key of ours that somebody else wrote. */
export const conflictMessages: Readonly<Record<KeyConflict, string>> = {
  restored: "somebody overwrote this key; it holds our value again",
  takenOver: "another process has registered under this id; this registration stands by until that one is gone",
};
