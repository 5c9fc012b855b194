import type { Sender } from "../http/exchange.js";
import { badArgument, requireText } from "../util/validate.js";
import { NotFoundError } from "./errors.js";
import { decode, entriesOf, Fields, list, texts } from "./fields.js";
import { checkOptions, request, requestOptionNames, segment, specOf } from "./request.js";
import { compareBytes } from "./text.js";
import type { Catalog, Node, NodeInfo, NodeService, ServiceInstance } from "./types.js";

/** The calls about the catalog. */
export function catalogCalls(sender: Sender): Catalog {
  return {
    async datacenters(options) {
      const { dc, signal } = checkOptions(options);
      const spec = specOf("GET", "/v1/catalog/datacenters", { dc });
      return decode(spec, await request(sender, spec, signal), (value) => texts(value));
    },
    async nodes(options) {
      const { dc, signal } = checkOptions(options);
      const spec = specOf("GET", "/v1/catalog/nodes", { dc });
      return decode(spec, await request(sender, spec, signal), (value) => list(value, readNode));
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
      return decode(spec, await request(sender, spec, signal), readServices);
    },
    async service(name, options = {}) {
      const { dc, signal } = checkOptions(options, serviceOptionNames);
      const tags: unknown = options.tags ?? [];
      if (!Array.isArray(tags)) badArgument("options.tags must be an array of strings");
      for (const tag of tags as readonly unknown[]) requireText("options.tags item", tag);
      const spec = specOf("GET", `/v1/catalog/service/${segment("name", name)}`, { dc, tag: options.tags });
      return decode(spec, await request(sender, spec, signal), (value) => list(value, readInstance));
    },
  };
}

/** Names of the services and their tags. */
export function readServices(value: unknown): Record<string, string[]> {
  return Object.fromEntries(entriesOf(value).map(([name, tags]) => [name, texts(tags).sort(compareBytes)]));
}

function readNode(value: unknown): Node {
  const node = new Fields(value);
  return { name: node.text("Node"), address: node.text("Address"), taggedAddresses: node.textMap("TaggedAddresses") };
}

function readNodeInfo(value: unknown): NodeInfo | undefined {
  if (value === null) return undefined;
  const info = new Fields(value);
  const services = entriesOf(info.value("Services")).map(([id, service]) => [id, readNodeService(service)] as const);
  return { node: readNode(info.value("Node")), services: Object.fromEntries(services) };
}

function readNodeService(value: unknown): NodeService {
  const service = new Fields(value);
  return {
    id: service.text("ID"),
    service: service.text("Service"),
    tags: service.texts("Tags"),
    port: service.number("Port"),
  };
}

function readInstance(value: unknown): ServiceInstance {
  const each = new Fields(value);
  const address = each.text("Address");
  const serviceAddress = each.text("ServiceAddress");
  return {
    node: each.text("Node"),
    address,
    taggedAddresses: each.textMap("TaggedAddresses"),
    serviceId: each.text("ServiceID"),
    serviceName: each.text("ServiceName"),
    serviceTags: each.texts("ServiceTags"),
    serviceAddress,
    servicePort: each.number("ServicePort"),
    effectiveAddress: () => serviceAddress || address,
  };
}

const serviceOptionNames: ReadonlySet<string> = new Set([...requestOptionNames, "tags"]);
