import type { Agent } from "node:http";
import type { Agent as SecureAgent } from "node:https";
import { optional, requireFields, type Check, type Checks } from "../../util/fields.js";
import { badArgument, kindOf } from "../../util/validate.js";

/** Agents of the user's own, for proxies and the like. They are neither changed nor closed. */
export interface OwnAgents {
  /** For `http` URLs. Absent: the transport makes its own. */
  readonly http?: Agent | undefined;
  /** For `https` URLs. Every request hands it the client's `tls` options; its own come first. Absent: the transport makes its own. */
  readonly https?: SecureAgent | undefined;
}

/** A copy, after its check. @throws {UsageError} a field that is not an agent */
export function checkedAgents(agents: OwnAgents): OwnAgents {
  requireFields("options.agent", agents, agentChecks);
  return { ...agents };
}

function agentOf(module: "http" | "https"): Check {
  return (what, agent) => {
    if (typeof agent === "object" && agent !== null && "addRequest" in agent) return;
    badArgument(`${what} must be an Agent of node:${module}, or of a package that extends it, got ${kindOf(agent)}`);
  };
}

const agentChecks: Checks<OwnAgents> = { http: optional(agentOf("http")), https: optional(agentOf("https")) };
