import { log } from "../util/log.js";

/**
 * `MIXED_VISIBILITY`: the service is public, and a private host registers, or its metadata became private. `METADATA_INVALID`,
 * `HOST_INVALID`: a stored value cannot be read. `METADATA_DELETED`: it is gone, and written again. `RETRY`: etcd failed,
 * and is asked again. `NOT_DELETED`: the key of a host that ended is left to its TTL.
 */
export type DiscoveryWarningCode =
  "MIXED_VISIBILITY" | "METADATA_INVALID" | "METADATA_DELETED" | "HOST_INVALID" | "RETRY" | "NOT_DELETED";

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
