import type { InstanceData } from "../agent/index.js";
import type { Sender } from "../http/exchange.js";
import { NotFoundError } from "./errors.js";
import { object } from "../util/reader.js";
import { decode, numberOrZero, textOrEmpty } from "./decode.js";
import type { OwnAgent } from "./own-agent.js";
import { request, segment, specOf } from "./request.js";
import { isForbidden } from "./transient.js";

/** What the node's agent has registered under an id. */
export interface Registered {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/**
 * Reads what the node's agent has registered under an id.
 *
 * @returns `undefined`: nothing; `"forbidden"`: the token may not read it
 * @throws {RequestError | EndpointError | ConsulError} as every call
 */
export async function readRegistered(
  sender: Sender,
  id: string,
  signal: AbortSignal | undefined,
): Promise<Registered | "forbidden" | undefined> {
  const spec = specOf("GET", `/v1/agent/service/${segment("id", id)}`);
  try {
    return decode(spec, await request(sender, spec, signal), (value, place) => {
      const service = object(value, place);
      return {
        name: textOrEmpty(service, "Service"),
        host: textOrEmpty(service, "Address"),
        port: numberOrZero(service, "Port"),
      };
    });
  } catch (error) {
    if (isForbidden(error)) return "forbidden";
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

/** Whether the id belongs to another instance than ours. Edited tags or metadata do not make it another one. */
export function isAnother(registered: Registered, ours: InstanceData): boolean {
  return registered.name !== ours.name || registered.host !== ours.host || registered.port !== ours.port;
}

/**
 * Whether the token may not see our instances in the catalog: that takes the right to read the service and the node.
 * Consul silently leaves out what it may not see.
 */
export async function isHidden(
  sender: Sender,
  { id, own }: { readonly id: string; readonly own: OwnAgent },
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if ((await readRegistered(sender, id, signal)) === "forbidden") return true;
  const path = own.node === undefined ? "nodes" : `node/${segment("node", own.node)}`;
  const spec = specOf("GET", `/v1/catalog/${path}`);
  const raw = await request(sender, spec, signal);
  return decode(spec, raw, (value) => Array.isArray(value) && value.length === 0) ?? true;
}
