import type { InstanceData } from "../agent/index.js";
import type { RawResponse, RequestSpec } from "../http/exchange.js";
import { object, text, type Read } from "../util/reader.js";
import { decodeList, numberOrZero, textOrEmpty } from "./decode.js";
import { segment, type Query } from "./request.js";

/** Identifies an instance: Consul's ids are unique per node only, and default to the service's name. */
export function keyOf(node: string, id: string): string {
  return JSON.stringify([node, id]);
}

/** The request for the instances of a service that pass their checks. */
export function healthOf(name: string, query: Query): { readonly path: string; readonly query: Query } {
  return { path: `/v1/health/service/${segment("name", name)}`, query: { ...query, passing: "1" } };
}

/** The instances of a response that belong to a service: Consul looks names up without regard to case. */
export function readInstances(name: string, spec: RequestSpec, raw: RawResponse): readonly InstanceData[] {
  return decodeList(spec, raw, readInstance).filter((instance) => instance.name === name);
}

const readInstance: Read<InstanceData> = (value, place) => {
  const entry = object(value, place);
  const service = entry.require("Service", object);
  const node = entry.require("Node", object);
  const id = textOrEmpty(service, "ID");
  const meta = service.record("Meta", text) ?? {};
  return {
    id,
    name: textOrEmpty(service, "Service"),
    host: textOrEmpty(service, "Address") || textOrEmpty(node, "Address"),
    port: numberOrZero(service, "Port"),
    tags: service.list("Tags", text) ?? [],
    ...(Object.keys(meta).length > 0 && { meta }),
    key: keyOf(textOrEmpty(node, "Node"), id),
  };
};
