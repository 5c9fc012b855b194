import type { RawResponse, RequestSpec } from "../http/exchange.js";
import { NotFoundError } from "./errors.js";
import { object } from "../util/reader.js";
import { decodeList, textOrEmpty } from "./decode.js";
import { specOf } from "./request.js";

/**
 * Finds a node of another datacenter for a session: a session must belong to a node of its own datacenter. It is one of the
 * servers there, since those live longest.
 *
 * @param send sends a request; rejects for a status from 400
 * @throws {NotFoundError} no healthy server of that datacenter is visible
 */
export async function remoteNode(dc: string, send: (spec: RequestSpec) => Promise<RawResponse>): Promise<string> {
  const spec = specOf("GET", "/v1/health/service/consul", { dc, passing: "1" });
  const [node] = decodeList(spec, await send(spec), (value, place) =>
    textOrEmpty(object(value, place).require("Node", object), "Node"),
  );
  if (node === undefined) throw new NotFoundError(spec, `no healthy server of datacenter "${dc}" is visible`);
  return node;
}
