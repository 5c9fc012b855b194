import { SdkError } from "../util/errors.js";

/** `ERR_DECODE`: a stored text is not the object it should be. `ERR_NOT_DIRECTORY`: the root of the registry is a file. */
export type ConfigErrorCode = "ERR_DECODE" | "ERR_NOT_DIRECTORY";

/** What was found in a source cannot be used. */
export class ConfigError extends SdkError {
  static {
    Object.defineProperty(this.prototype, "name", { value: "ConfigError", configurable: true, writable: true });
  }
  readonly code: ConfigErrorCode;
  /** The etcd key or the file it was found in, "" when not known. */
  readonly key: string;

  constructor(code: ConfigErrorCode, key: string, message: string) {
    super(key === "" ? message : `${message} at "${key}"`);
    this.code = code;
    this.key = key;
  }
}
