import type { Sender } from "../http/exchange.js";
import { object, text } from "../util/reader.js";
import { decode, decodeList, textOrEmpty } from "./decode.js";
import { request, specOf } from "./request.js";
import { isForbidden } from "./transient.js";

/** What the client's own agent reports about itself. */
export interface OwnAgent {
  /** The datacenter that it belongs to. */
  readonly dc: string;
  /** Its node's name. Undefined: the token may not read the agent. */
  readonly node: string | undefined;
}

/** Asks the agent for its node and datacenter. @throws {RequestError | EndpointError | ConsulError} as every call */
export async function readOwnAgent(sender: Sender, signal: AbortSignal | undefined): Promise<OwnAgent> {
  const self = specOf("GET", "/v1/agent/self");
  try {
    const raw = await request(sender, self, signal);
    const config = decode(self, raw, (value, place) => object(value, place).require("Config", object));
    if (config !== undefined)
      return { dc: textOrEmpty(config, "Datacenter"), node: textOrEmpty(config, "NodeName") || undefined };
  } catch (error) {
    if (!isForbidden(error)) throw error;
  }
  // needs no rights, and begins with the agent's own datacenter
  const spec = specOf("GET", "/v1/catalog/datacenters");
  const [dc = ""] = decodeList(spec, await request(sender, spec, signal), text);
  return { dc, node: undefined };
}
