import { brandError } from "../util/brand.js";
import { SdkError } from "../util/errors.js";

/**
 * - `ERR_SERVICE_NOT_FOUND`: no host was ever registered for the service
 * - `ERR_NO_HOST`: the service has no host now
 * - `ERR_NO_HOST_ON_SHARD`: the service has hosts, but none on the shard
 * - `ERR_UNKNOWN_SCHEME`: the host or the service has no port for the scheme
 * - `ERR_NOT_READY`: the host is not registered yet
 * - `ERR_REGISTRATION_TIMEOUT`: the metadata or the host could not be written within `initialTimeoutMs`; the last failure is the `cause`
 * - `ERR_CLOSE_TIMEOUT`: etcd did not confirm in time that the key of a host is removed; it expires
 * - `ERR_ABORTED`: what `err()` resolves to if the call was aborted with a reason that is not an error
 * - `ERR_INVALID_NAME`: the service's name would address keys of another service, or hidden ones
 * - `ERR_DECODE`: a stored value is not a host, or not the metadata of a service
 * - `ERR_CONFIG`: the environment does not describe a usable client
 */
export type DiscoveryErrorCode =
  | "ERR_SERVICE_NOT_FOUND"
  | "ERR_NO_HOST"
  | "ERR_NO_HOST_ON_SHARD"
  | "ERR_UNKNOWN_SCHEME"
  | "ERR_NOT_READY"
  | "ERR_REGISTRATION_TIMEOUT"
  | "ERR_CLOSE_TIMEOUT"
  | "ERR_ABORTED"
  | "ERR_INVALID_NAME"
  | "ERR_DECODE"
  | "ERR_CONFIG";

/** What is wrong with a service, a host or a registration; `code` says what. Failures of etcd are the core's own errors. */
export class DiscoveryError extends SdkError {
  static {
    brandError(this, "DiscoveryError");
  }
  /** What is wrong. */
  readonly code: DiscoveryErrorCode;

  /** For this package. */
  constructor(code: DiscoveryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
