import { SdkError } from "../util/errors.js";

export type DiscoveryErrorCode =
  | "SERVICE_NOT_FOUND"
  | "NO_HOST"
  | "NO_HOST_ON_SHARD"
  | "UNKNOWN_SCHEME"
  | "NOT_READY"
  | "REGISTRATION_TIMEOUT"
  | "CLOSE_TIMEOUT"
  | "ABORTED"
  | "INVALID_NAME"
  | "DECODE"
  | "CONFIG";

/** What went wrong with a service, by `code`. Failures of etcd itself come as the core's errors. */
export class DiscoveryError extends SdkError {
  static {
    Object.defineProperty(this.prototype, "name", { value: "DiscoveryError", configurable: true, writable: true });
  }
  readonly code: DiscoveryErrorCode;

  constructor(code: DiscoveryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
