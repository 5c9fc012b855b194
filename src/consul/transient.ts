import { isTransient, isTransientStatus } from "../util/transient.js";
import { ConsulError, RequestError } from "./errors.js";

/**
 * Whether the same query may succeed later by itself. Transient are: no response, a response that is not Consul's (a
 * proxy's page), and statuses of a server or a proxy in trouble. Everything else is final: Consul's own refusals, such as
 * missing rights, and errors of the program.
 */
export function isConsulTransient(error: unknown): boolean {
  if (error instanceof RequestError) return isTransientStatus(error.statusCode) && !isForbidden(error);
  return error instanceof ConsulError || isTransient(error);
}

/** Whether Consul refused for lack of rights. A proxy's 401 or 403 has another text. */
export function isForbidden(error: unknown): boolean {
  if (!(error instanceof RequestError) || (error.statusCode !== 401 && error.statusCode !== 403)) return false;
  return error.body === "" || /permission denied|\bACL\b|unauthorized/i.test(error.body);
}
