import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { plainCause } from "../util/plain-cause.js";
import { abortable } from "../util/signals.js";
import { badArgument, requireOptions, requireText } from "../util/validate.js";
import { AgentError } from "./errors.js";

/** What agents of all backends take. */
export interface AgentOptions {
  /** The host of every instance registered here, whatever address it gives: an IP address, or a name that is looked up at each registration. */
  readonly advertiseAddress?: string | undefined;
  /** Tags of every instance registered here, before its own. @default [] */
  readonly defaultTags?: readonly string[] | undefined;
}

const agentOptionNames = ["advertiseAddress", "defaultTags"] as const satisfies readonly (keyof AgentOptions)[];

/** A copy, checked. @throws {UsageError} */
export function checkAgentOptions(options: AgentOptions): {
  readonly advertiseAddress: string | undefined;
  readonly defaultTags: readonly string[];
} {
  requireOptions("options", options, knownNames);
  const { advertiseAddress, defaultTags } = options;
  if (advertiseAddress !== undefined) requireText("options.advertiseAddress", advertiseAddress);
  if (advertiseAddress === "")
    badArgument('options.advertiseAddress must not be "": leave it out to use the address of each instance');
  return { advertiseAddress, defaultTags: checkTags("options.defaultTags", defaultTags) };
}

/** A copy without repetitions. @throws {UsageError} */
export function checkTags(what: string, tags: readonly string[] = []): readonly string[] {
  const given: unknown = tags;
  if (!Array.isArray(given)) badArgument(`${what} must be an array of strings`);
  for (const tag of tags) requireText(`${what} item`, tag);
  return [...new Set(tags)];
}

/** The IP address to advertise; the first A or AAAA record of a name. @throws {AgentError} `ADVERTISE` */
export async function resolveAdvertised(address: string, signal: AbortSignal): Promise<string> {
  if (isIP(address) !== 0) return address;
  try {
    return (await abortable(lookup(address), signal)).address;
  } catch (error) {
    signal.throwIfAborted();
    throw new AgentError("ADVERTISE", `the advertised address "${address}" does not resolve`, {
      cause: plainCause(error),
    });
  }
}

const knownNames: ReadonlySet<string> = new Set(agentOptionNames);
