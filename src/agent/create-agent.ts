import { badArgument, requireText } from "../util/validate.js";
import type { Agent } from "./agent.js";
import { AgentError } from "./errors.js";
import { createLocalAgent } from "./local-agent.js";

/** Makes an agent of the settings that stand under the backend's name in the configuration. */
export type BackendFactory = (settings: unknown) => Agent | Promise<Agent>;

const factories = new Map<string, BackendFactory>([["local", (settings) => createLocalAgent(settings ?? {})]]);

/**
 * Makes a backend known to `createAgent`, for the whole process. `local` is known from the start.
 *
 * @throws {AgentError} `DUPLICATE_ADAPTER`: the name is taken
 * @throws {UsageError} for bad arguments
 */
export function registerBackend(name: string, factory: BackendFactory): void {
  requireText("name", name);
  if (name === "") badArgument('name must not be ""');
  if (typeof factory !== "function") badArgument("factory must be a function");
  if (factories.has(name)) throw new AgentError("DUPLICATE_ADAPTER", `there is a backend "${name}" already`);
  factories.set(name, factory);
}

/** Names of the known backends, sorted. */
export function backends(): string[] {
  return [...factories.keys()].sort();
}

/**
 * Makes an agent by configuration: `{ name: settings }`, where the first name selects the backend.
 *
 * @throws {AgentError} `EMPTY_CONFIG`: no name; `UNKNOWN_ADAPTER`: no such backend
 * @throws {UsageError} for what is no object; and what the backend throws
 */
export async function createAgent(config: Readonly<Record<string, unknown>>): Promise<Agent> {
  if (typeof config !== "object" || (config as unknown) === null) badArgument("config must be an object");
  const [first] = Object.entries(config);
  if (first === undefined) throw new AgentError("EMPTY_CONFIG", "the configuration names no backend");
  const [name, settings] = first;
  const factory = factories.get(name);
  if (factory === undefined)
    throw new AgentError("UNKNOWN_ADAPTER", `there is no backend "${name}"; there are ${backends().join(", ")}`);
  return factory(settings);
}
