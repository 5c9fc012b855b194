import type { InstanceData } from "../agent/index.js";
import type { RawResponse, RequestSpec } from "../http/exchange.js";
import { decode, entriesOf, Fields, list } from "./fields.js";
import { segment, type Query } from "./request.js";

/** Identifies an instance: Consul's ids are unique per node only, and default to the service's name. */
export function keyOf(node: string, id: string): string {
  return JSON.stringify([node, id]);
}

/** Where the instances of a service that pass their checks are found. */
export function healthOf(name: string, query: Query): { readonly path: string; readonly query: Query } {
  return { path: `/v1/health/service/${segment("name", name)}`, query: { ...query, passing: "1" } };
}

/** Those of that service: Consul looks names up without regard to case. */
export function readInstances(name: string, spec: RequestSpec, raw: RawResponse): readonly InstanceData[] {
  return decode(spec, raw, (value) => list(value, readInstance)).filter((instance) => instance.name === name);
}

function readInstance(value: unknown): InstanceData {
  const entry = new Fields(value);
  const service = new Fields(entry.value("Service"));
  const node = new Fields(entry.value("Node"));
  const id = service.text("ID");
  const hasMeta = entriesOf(service.value("Meta")).length > 0;
  return {
    id,
    name: service.text("Service"),
    host: service.text("Address") || node.text("Address"),
    port: service.number("Port"),
    tags: service.texts("Tags"),
    ...(hasMeta && { meta: service.textMap("Meta") }),
    key: keyOf(node.text("Node"), id),
  };
}
