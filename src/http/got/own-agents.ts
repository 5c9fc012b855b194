import type { Agent } from "node:http";
import type { Agent as SecureAgent } from "node:https";
import { badArgument, requireOptions } from "../../util/validate.js";

/** Agents of the user's own, for proxies and the like. They are neither changed nor closed. */
export interface OwnAgents {
  /** For `http` URLs. Absent: the transport makes its own. */
  readonly http?: Agent | undefined;
  /** For `https` URLs. Every request hands it the client's `tls` options; its own come first. Absent: the transport makes its own. */
  readonly https?: SecureAgent | undefined;
}

/** A copy, after its check. @throws {UsageError} a field that is not an agent */
export function checkedAgents(agents: OwnAgents): OwnAgents {
  requireOptions("options.agent", agents, agentNames);
  for (const name of ["http", "https"] as const) {
    const agent: unknown = agents[name];
    if (agent !== undefined && !(typeof agent === "object" && agent !== null && "addRequest" in agent)) {
      badArgument(`options.agent.${name} must be an Agent of node:${name}, or of a package that extends it`);
    }
  }
  return { ...agents };
}

const agentNames: ReadonlySet<string> = new Set<keyof OwnAgents>(["http", "https"]);
