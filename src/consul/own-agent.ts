import type { Sender } from "../http/exchange.js";
import { RequestError } from "./errors.js";
import { decode, Fields, texts } from "./fields.js";
import { request, specOf } from "./request.js";

/** What the client's own agent says of itself. */
export interface OwnAgent {
  /** The datacenter that it belongs to. */
  readonly dc: string;
  /** Its node's name. Undefined: the token may not read the agent. */
  readonly node: string | undefined;
}

/** Asks the agent for its node and datacenter. @throws {RequestError} {EndpointError} {ConsulError} as every call */
export async function readOwnAgent(sender: Sender, signal: AbortSignal | undefined): Promise<OwnAgent> {
  const self = specOf("GET", "/v1/agent/self");
  try {
    return decode(self, await request(sender, self, signal), (value) => {
      const config = new Fields(new Fields(value).value("Config"));
      return { dc: config.text("Datacenter"), node: config.text("NodeName") || undefined };
    });
  } catch (error) {
    if (!isForbidden(error)) throw error;
  }
  // needs no rights, and begins with the agent's own datacenter
  const spec = specOf("GET", "/v1/catalog/datacenters");
  const [dc = ""] = decode(spec, await request(sender, spec, signal), (value) => texts(value));
  return { dc, node: undefined };
}

/** Whether Consul refused for lack of rights. */
export function isForbidden(error: unknown): boolean {
  return error instanceof RequestError && (error.statusCode === 401 || error.statusCode === 403);
}
