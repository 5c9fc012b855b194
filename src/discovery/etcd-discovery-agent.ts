import { randomUUID } from "node:crypto";
import {
  AgentError,
  createBackendAgent,
  type Agent,
  type AgentOptions,
  type Backend,
  type HeldInstance,
  type InstanceData,
  type InstanceSource,
} from "../agent/index.js";
import { isKeyNotFound, Mirror, type KeyNode } from "../core/index.js";
import { messageOf } from "../util/error-like.js";
import { anything, requireFields, type Checks } from "../util/fields.js";
import { filesOf } from "../util/files-of.js";
import { abortable } from "../util/signals.js";
import { badArgument } from "../util/validate.js";
import { EtcdDiscovery, type Discovery } from "./discovery.js";
import { hostOf } from "./etcd-lookup.js";
import { newHost, type HostInit } from "./host.js";
import { hostsKey, isServiceName, requireServiceName } from "./layout.js";
import { MirrorSource } from "./mirror-source.js";
import { startRegistration } from "./register.js";

/** How an agent over the layout of the Go library works. */
export interface EtcdDiscoveryAgentOptions extends AgentOptions {
  /** Made by `createDiscovery`; its `onWarning` is called for problems that the agent survives. */
  readonly discovery: Discovery;
}

/**
 * Makes an agent over the layout of the Go library, so that programs with an `Agent` and those with a `Discovery` find
 * each other.
 *
 * A host is one instance per port, with the tags `scheme:<scheme>` and, if it has a shard, `shard:<shard>`. An instance
 * that is registered becomes a private host with one port. It may carry these tags and no others, and no `meta`; without
 * a scheme it is `http`. Its id is the host's uuid; that of a host with several ports is `<uuid>/<scheme>`. Replacing an
 * instance removes it and registers it again. Removals never fail: a key that cannot be deleted expires, and the
 * discovery warns.
 *
 * @throws {UsageError} for a bad option
 */
export function createEtcdDiscoveryAgent(options: EtcdDiscoveryAgentOptions): Agent {
  requireFields("options", options, discoveryAgentChecks);
  const { discovery, ...rest } = options;
  if (!(discovery instanceof EtcdDiscovery)) badArgument("options.discovery must be made by createDiscovery");
  return createBackendAgent(new DiscoveryBackend(discovery), rest);
}

class DiscoveryBackend implements Backend {
  readonly nodeAddress: string;
  readonly #discovery: EtcdDiscovery;

  constructor(discovery: EtcdDiscovery) {
    this.nodeAddress = discovery.hostname;
    this.#discovery = discovery;
  }

  newId(host: string): string {
    return `${randomUUID()}-${host}`;
  }

  async add(
    instance: InstanceData,
    { signal, replaced }: { readonly signal: AbortSignal; readonly replaced?: HeldInstance | undefined },
  ): Promise<HeldInstance> {
    const { hostname, allowNested } = this.#discovery;
    const { name, id } = instance;
    requireServiceName(name, allowNested);
    const host = newHost(name, initOf(instance), hostname).as(id);
    // two registrations of one key would get in each other's way
    await replaced?.remove();
    const registration = startRegistration(this.#discovery, name, host, {}, !isUnique(id));
    try {
      await abortable(registration.waitRegistration(), signal);
    } catch (error) {
      await registration.close();
      throw error;
    }
    return { remove: () => registration.close() };
  }

  async list(name: string | undefined, signal: AbortSignal | undefined): Promise<readonly InstanceData[]> {
    if (name !== undefined) requireServiceName(name, this.#discovery.allowNested);
    try {
      const { node } = await this.#discovery.keys.get(name === undefined ? servicesKey : hostsKey(name), {
        recursive: true,
        sort: true,
        signal,
      });
      return filesOf(node).flatMap((file) => this.#decode(name ?? serviceOf(file), file));
    } catch (error) {
      if (isKeyNotFound(error)) return [];
      throw error;
    }
  }

  source(name: string): InstanceSource {
    const { keys, warn } = this.#discovery;
    const key = hostsKey(name);
    const stalled = this.#discovery.stalledWarning(`the watch of ${key}`);
    const onError = (error: unknown): void => {
      stalled.failed(error);
      warn({ code: "RETRY", service: name, key, message: messageOf(error), error });
    };
    return new MirrorSource(new Mirror(keys, key, { onError }), stalled, (node) => this.#decode(name, node));
  }

  /** The service is the directory: the name in the value may be missing, or another. */
  #decode(name: string, node: KeyNode): readonly InstanceData[] {
    const { warn, allowNested } = this.#discovery;
    if (!isServiceName(name, allowNested)) return [];
    const host = hostOf(name, node, false, warn);
    if (host === undefined) return [];
    const uuid = node.key.slice(node.key.lastIndexOf("/") + 1);
    const ports = Object.entries(host.ports).sort(([a], [b]) => (a < b ? -1 : 1));
    return ports.flatMap(([scheme, text]) => {
      const port = Number(text);
      if (!/^\d+$/.test(text) || port > 65_535) {
        warn({
          code: "HOST_INVALID",
          service: name,
          key: node.key,
          message: `its port for ${JSON.stringify(scheme)} is not a number from 0 to 65535`,
        });
        return [];
      }
      const tags = [`${schemeTag}${scheme}`, ...(host.shard === undefined ? [] : [`${shardTag}${host.shard}`])];
      return [{ id: ports.length === 1 ? uuid : `${uuid}/${scheme}`, name, host: host.hostname, port, tags }];
    });
  }
}

/** Whether an id begins with a UUID, as those that are made here do. */
function isUnique(id: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/.test(id);
}

const servicesKey = "/services";
const schemeTag = "scheme:";
const shardTag = "shard:";

function serviceOf({ key }: KeyNode): string {
  return key.slice(servicesKey.length + 1, Math.max(key.lastIndexOf("/"), 0));
}

function initOf({ id, host, port, tags, meta }: InstanceData): HostInit {
  if (id.includes("/") || id.startsWith("_") || id === "." || id === "..")
    invalid('an id must not contain "/", begin with "_", or be "." or "..": it becomes a segment of a key');
  if (meta !== undefined) invalid("this layout cannot store meta");
  const other = tags.find((tag) => !tag.startsWith(schemeTag) && !tag.startsWith(shardTag));
  if (other !== undefined)
    invalid(`this layout cannot store the tag "${other}", only "${schemeTag}..." and "${shardTag}..."`);
  const [scheme = "http", secondScheme] = valuesOf(tags, schemeTag);
  const [shard, secondShard] = valuesOf(tags, shardTag);
  if (secondScheme !== undefined || secondShard !== undefined) invalid("an instance has one scheme and one shard");
  return { hostname: host, ports: { [scheme]: String(port) }, ...(shard !== undefined && { shard }) };
}

function valuesOf(tags: readonly string[], prefix: string): readonly string[] {
  return tags.filter((tag) => tag.startsWith(prefix)).map((tag) => tag.slice(prefix.length));
}

function invalid(message: string): never {
  throw new AgentError("ERR_INVALID_REGISTRATION", message);
}

const discoveryAgentChecks: Checks<EtcdDiscoveryAgentOptions> = {
  // checked by the agent itself
  advertiseAddress: anything,
  defaultTags: anything,
  // checked below, by its class
  discovery: (what, value) => {
    if (value === undefined) badArgument(`${what} must be made by createDiscovery`);
  },
};
