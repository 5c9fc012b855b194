import { brandError } from "../util/brand.js";
import { SdkError } from "../util/errors.js";

/**
 * - `ERR_DECODE`: a stored text is not an object of the expected kind
 * - `ERR_NOT_DIRECTORY`: the root of the registry is a file
 */
export type ConfigErrorCode = "ERR_DECODE" | "ERR_NOT_DIRECTORY";

/** The content of a source cannot be used; `code` says why. */
export class ConfigError extends SdkError {
  static {
    brandError(this, "ConfigError");
  }
  /** Why it cannot be used. */
  readonly code: ConfigErrorCode;
  /** The key in etcd, or the path of the file; "" if not known. */
  readonly key: string;

  /** For this package. */
  constructor(code: ConfigErrorCode, key: string, message: string) {
    super(key === "" ? message : `${message} at "${key}"`);
    this.code = code;
    this.key = key;
  }
}
