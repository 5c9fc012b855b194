import type { Sender } from "../http/exchange.js";
import { optional, requireFields, type Checks } from "../util/fields.js";
import { object, recordOf, text, type JsonReader, type Read } from "../util/reader.js";
import { badArgument, kindOf, requireText } from "../util/validate.js";
import { decode, decodeList, numberOrZero, textOrEmpty, texts } from "./decode.js";
import { NotFoundError } from "./errors.js";
import { checkOptions, request, requestChecks, segment, specOf } from "./request.js";
import { compareBytes } from "../util/compare-bytes.js";
import type { Catalog, Node, NodeInfo, NodeService, ServiceInstance, ServiceOptions } from "./types.js";

/** The calls about the catalog. */
export function catalogCalls(sender: Sender): Catalog {
  return {
    async datacenters(options) {
      const { dc, signal } = checkOptions(options);
      const spec = specOf("GET", "/v1/catalog/datacenters", { dc });
      return decodeList(spec, await request(sender, spec, signal), text);
    },
    async nodes(options) {
      const { dc, signal } = checkOptions(options);
      const spec = specOf("GET", "/v1/catalog/nodes", { dc });
      return decodeList(spec, await request(sender, spec, signal), (value, place) => nodeOf(object(value, place)));
    },
    async node(name, options) {
      const { dc, signal } = checkOptions(options);
      const spec = specOf("GET", `/v1/catalog/node/${segment("name", name)}`, { dc });
      const info = decode(spec, await request(sender, spec, signal), readNodeInfo);
      if (info === undefined) throw new NotFoundError(spec);
      return info;
    },
    async services(options) {
      const { dc, signal } = checkOptions(options);
      const spec = specOf("GET", "/v1/catalog/services", { dc });
      return decode(spec, await request(sender, spec, signal), readServices) ?? {};
    },
    async service(name, options = {}) {
      requireFields("options", options, serviceChecks);
      const { dc, signal, tags } = options;
      const spec = specOf("GET", `/v1/catalog/service/${segment("name", name)}`, { dc, tag: tags });
      return decodeList(spec, await request(sender, spec, signal), readInstance);
    },
  };
}

/** The names of services and their tags. */
export const readServices: Read<Record<string, string[]>> = recordOf((value, place) =>
  texts(value, place).sort(compareBytes),
);

const readNodeInfo: Read<NodeInfo> = (value, place) => {
  const info = object(value, place);
  const node = info.get("Node", object);
  return {
    node: node === undefined ? { name: "", address: "", taggedAddresses: {} } : nodeOf(node),
    services: info.record("Services", readNodeService) ?? {},
  };
};

function nodeOf(node: JsonReader): Node {
  return {
    name: textOrEmpty(node, "Node"),
    address: textOrEmpty(node, "Address"),
    taggedAddresses: node.record("TaggedAddresses", text) ?? {},
  };
}

const readNodeService: Read<NodeService> = (value, place) => {
  const service = object(value, place);
  return {
    id: textOrEmpty(service, "ID"),
    service: textOrEmpty(service, "Service"),
    tags: service.list("Tags", text) ?? [],
    port: numberOrZero(service, "Port"),
  };
};

const readInstance: Read<ServiceInstance> = (value, place) => {
  const fields = object(value, place);
  const address = textOrEmpty(fields, "Address");
  const serviceAddress = textOrEmpty(fields, "ServiceAddress");
  return {
    node: textOrEmpty(fields, "Node"),
    address,
    taggedAddresses: fields.record("TaggedAddresses", text) ?? {},
    serviceId: textOrEmpty(fields, "ServiceID"),
    serviceName: textOrEmpty(fields, "ServiceName"),
    serviceTags: fields.list("ServiceTags", text) ?? [],
    serviceAddress,
    servicePort: numberOrZero(fields, "ServicePort"),
    effectiveAddress: () => serviceAddress || address,
  };
};

function requireTags(what: string, tags: unknown): void {
  if (!Array.isArray(tags)) badArgument(`${what} must be an array of strings, got ${kindOf(tags)}`);
  for (const [i, tag] of tags.entries()) requireText(`${what}[${String(i)}]`, tag);
}

const serviceChecks: Checks<ServiceOptions> = { ...requestChecks, tags: optional(requireTags) };
