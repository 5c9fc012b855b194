import { isObject } from "../util/is-object.js";
import { badArgument, kindOf, requireText } from "../util/validate.js";
import type { Agent } from "./agent.js";
import { AgentError } from "./errors.js";
import { createLocalAgent } from "./local-agent.js";

/**
 * Makes an agent from the settings under the adapter's name in a configuration.
 *
 * @param settings as they were decoded: check them. undefined or null if there are none
 */
export type AdapterFactory = (settings: unknown) => Agent | Promise<Agent>;

const factories = new Map<string, AdapterFactory>([["local", (settings) => createLocalAgent(settings ?? {})]]);

/**
 * Makes a kind of agent known to `createAgent`, for the whole process. `local` is known from the start.
 *
 * @throws {AgentError} `ERR_DUPLICATE_ADAPTER`: the name is taken
 * @throws {UsageError} for bad arguments
 *
 * @example
 * registerAdapter("etcd", () => createEtcdAgent({ client }));
 */
export function registerAdapter(name: string, factory: AdapterFactory): void {
  requireText("name", name);
  if (name === "") badArgument('name must not be ""');
  if (typeof factory !== "function") badArgument(`factory must be a function, got ${kindOf(factory)}`);
  if (factories.has(name)) throw new AgentError("ERR_DUPLICATE_ADAPTER", `there is already an adapter "${name}"`);
  factories.set(name, factory);
}

/** The names of the known adapters, sorted. */
export function adapters(): string[] {
  return [...factories.keys()].sort();
}

/**
 * Makes an agent by configuration, `{ name: settings }`: the first name selects the adapter.
 *
 * @throws {AgentError} `ERR_EMPTY_CONFIG`: there is no name; `ERR_UNKNOWN_ADAPTER`: no adapter has this name
 * @throws {UsageError} `config` is not an object
 * Rejects with what the adapter throws.
 *
 * @example
 * const agent = await createAgent({ local: { defaultTags: ["test"] } });
 */
export async function createAgent(config: Readonly<Record<string, unknown>>): Promise<Agent> {
  if (!isObject(config)) badArgument(`config must be an object, got ${kindOf(config)}`);
  const [first] = Object.entries(config);
  if (first === undefined) throw new AgentError("ERR_EMPTY_CONFIG", "the configuration names no adapter");
  const [name, settings] = first;
  const factory = factories.get(name);
  if (factory !== undefined) return factory(settings);
  throw new AgentError("ERR_UNKNOWN_ADAPTER", `there is no adapter "${name}"; there are ${adapters().join(", ")}`);
}
