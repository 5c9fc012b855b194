import { brandError } from "../util/brand.js";
import { SdkError } from "../util/errors.js";

/**
 * - `ERR_ALREADY_REGISTERED`: this agent holds an instance with this id; pass `replace: true` to replace it
 * - `ERR_INVALID_REGISTRATION`: a field of the new instance is missing or wrong; the message names it
 * - `ERR_ADVERTISE`: the name in `advertiseAddress` does not resolve; `cause` says why
 * - `ERR_EMPTY_CONFIG`: the configuration of `createAgent` names no adapter
 * - `ERR_UNKNOWN_ADAPTER`: no adapter is registered under that name
 * - `ERR_DUPLICATE_ADAPTER`: an adapter is already registered under that name
 */
export type AgentErrorCode =
  | "ERR_ALREADY_REGISTERED"
  | "ERR_INVALID_REGISTRATION"
  | "ERR_ADVERTISE"
  | "ERR_EMPTY_CONFIG"
  | "ERR_UNKNOWN_ADAPTER"
  | "ERR_DUPLICATE_ADAPTER";

/** An agent refuses: decide by `code`. Nothing was written. */
export class AgentError extends SdkError {
  static {
    brandError(this, "AgentError");
  }
  /** What happened. */
  readonly code: AgentErrorCode;

  constructor(code: AgentErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
