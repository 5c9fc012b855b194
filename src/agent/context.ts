import { AsyncLocalStorage } from "node:async_hooks";
import type { Agent } from "./agent.js";
import { createLocalAgent } from "./local-agent.js";

const storage = new AsyncLocalStorage<Agent>();
let processAgent: Agent | undefined;

/** The agent of the innermost `runWithAgent` that this code was called from, at whatever remove; else one local agent, the same for the whole process. */
export function agentFromContext(): Agent {
  return storage.getStore() ?? (processAgent ??= createLocalAgent());
}

/** Calls a function, asynchronous or not, for which, and for all that it calls and starts, `agentFromContext` is this agent. */
export function runWithAgent<T>(agent: Agent, fn: () => T): T {
  return storage.run(agent, fn);
}

/**
 * A function that runs with an agent wherever it is called from, such as a handler of events.
 *
 * @param agent default: `agentFromContext()` as it is now
 */
export function bindAgent<A extends unknown[], R>(
  fn: (...args: A) => R,
  agent: Agent = agentFromContext(),
): (...args: A) => R {
  return (...args) => storage.run(agent, fn, ...args);
}
