import { AsyncLocalStorage } from "node:async_hooks";
import { badArgument, kindOf } from "../util/validate.js";
import type { Agent } from "./agent.js";
import { createLocalAgent } from "./local-agent.js";
import { requireMethods } from "./require-methods.js";

const storage = new AsyncLocalStorage<Agent>();
let processAgent: Agent | undefined;

/**
 * The agent of the innermost `runWithAgent` or bound function that the calling code runs in, across awaits and timers.
 * Outside of all: one local agent, the same for the whole process.
 */
export function agentFromContext(): Agent {
  return storage.getStore() ?? (processAgent ??= createLocalAgent());
}

/**
 * Calls a function. In it, and in all that it calls and starts, `agentFromContext()` returns this agent.
 *
 * @param fn synchronous or not
 * @returns what `fn` returns
 * @throws {UsageError} for bad arguments
 */
export function runWithAgent<T>(agent: Agent, fn: () => T): T {
  requireAgent(agent);
  requireFn(fn);
  return storage.run(agent, fn);
}

/**
 * Makes a function that runs with an agent wherever it is called from, such as an event handler.
 *
 * @param agent default: what `agentFromContext()` returns now
 * @throws {UsageError} for bad arguments
 */
export function bindAgent<A extends unknown[], R>(
  fn: (...args: A) => R,
  agent: Agent = agentFromContext(),
): (...args: A) => R {
  requireFn(fn);
  requireAgent(agent);
  return (...args) => storage.run(agent, fn, ...args);
}

function requireAgent(agent: unknown): void {
  requireMethods("agent", agent, ["register", "service", "services"]);
}

function requireFn(fn: unknown): void {
  if (typeof fn !== "function") badArgument(`fn must be a function, got ${kindOf(fn)}`);
}
