import { SdkError } from "../util/errors.js";

export type AgentErrorCode =
  | "ALREADY_REGISTERED"
  | "INVALID_REGISTRATION"
  | "ADVERTISE"
  | "EMPTY_CONFIG"
  | "UNKNOWN_ADAPTER"
  | "DUPLICATE_ADAPTER";

/**
 * An agent refuses: the id is taken by this agent (`ALREADY_REGISTERED`), the new instance is not well formed
 * (`INVALID_REGISTRATION`), the advertised name does not resolve (`ADVERTISE`), or there is no such backend, or already
 * one, by that name (`EMPTY_CONFIG`, `UNKNOWN_ADAPTER`, `DUPLICATE_ADAPTER`).
 */
export class AgentError extends SdkError {
  static {
    Object.defineProperty(this.prototype, "name", { value: "AgentError", configurable: true, writable: true });
  }
  readonly code: AgentErrorCode;

  constructor(code: AgentErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
