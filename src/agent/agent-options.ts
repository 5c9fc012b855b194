import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { optional, requireFields, type Checks } from "../util/fields.js";
import { plainCause } from "../util/plain-cause.js";
import { abortable } from "../util/signals.js";
import { badArgument, requireText } from "../util/validate.js";
import { AgentError } from "./errors.js";

/** Options of all agents, whatever the backend. */
export interface AgentOptions {
  /**
   * The host of every instance registered through this agent, in place of the instance's own. An IP address, or a name that
   * is looked up at each registration. @default each instance's `addr`
   */
  readonly advertiseAddress?: string | undefined;
  /** Tags of every instance registered through this agent, before its own. @default [] */
  readonly defaultTags?: readonly string[] | undefined;
}

/** {@link AgentOptions}, checked and copied. */
export interface ResolvedAgentOptions {
  readonly advertiseAddress: string | undefined;
  readonly defaultTags: readonly string[];
}

/** Checks and copies the options. @throws {UsageError} */
export function resolveAgentOptions(options: AgentOptions): ResolvedAgentOptions {
  requireFields("options", options, agentChecks);
  return { advertiseAddress: options.advertiseAddress, defaultTags: [...new Set(options.defaultTags)] };
}

/** Refuses a value that is not an array of strings. @throws {UsageError} */
export function requireTags(what: string, value: unknown): void {
  if (!Array.isArray(value)) badArgument(`${what} must be an array of strings`);
  for (const [index, tag] of value.entries()) requireText(`${what}[${String(index)}]`, tag);
}

/** The IP address to advertise; of a name, its first A or AAAA record. @throws {AgentError} `ERR_ADVERTISE` */
export async function resolveAdvertised(address: string, signal: AbortSignal): Promise<string> {
  if (isIP(address) !== 0) return address;
  try {
    return (await abortable(lookup(address), signal)).address;
  } catch (error) {
    signal.throwIfAborted();
    throw new AgentError("ERR_ADVERTISE", `options.advertiseAddress "${address}" does not resolve`, {
      cause: plainCause(error),
    });
  }
}

function requireAddress(what: string, value: unknown): void {
  requireText(what, value);
  if (value === "") badArgument(`${what} must not be "": leave it out to use the address of each instance`);
}

const agentChecks: Checks<AgentOptions> = {
  advertiseAddress: optional(requireAddress),
  defaultTags: optional(requireTags),
};
