import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { AgentError, type Agent, type AgentOptions, type InstanceEvent, type ServiceWatcher } from "../index.js";
import { test } from "../../test-kit/register.js";

/** One backend, empty, for one test. */
export interface AgentGround {
  /** A new agent over it; all of them see the same instances. The suite closes it. */
  create(options?: AgentOptions): Agent;
  /** Makes removals of that id fail, until the function that it returns is called. */
  failRemoval(id: string): () => void;
  /** Resolves once nothing polls the backend. */
  idle(): Promise<void>;
}

export type StartGround = (t: TestContext) => AgentGround | Promise<AgentGround>;
export type Check = (
  title: string,
  body: (create: AgentGround["create"], ground: AgentGround) => Promise<void>,
) => void;

/** Makes tests that each get a ground of their own, and whose agents are closed at the end. */
export function checksOn(backend: string, start: StartGround): Check {
  return (title, body) => {
    test(`${title} (${backend})`, { timeout: 240_000 }, async (t) => {
      const ground = await start(t);
      const agents: Agent[] = [];
      const create = (options?: AgentOptions): Agent => {
        const agent = ground.create(options);
        agents.push(agent);
        return agent;
      };
      try {
        await body(create, ground);
      } finally {
        await Promise.all(agents.map((agent) => agent.close()));
      }
    });
  };
}

/** A signal for what should come soon. */
export function patience(): AbortSignal {
  return AbortSignal.timeout(30_000);
}

export async function batch(watcher: ServiceWatcher): Promise<readonly InstanceEvent[]> {
  const { value } = await watcher.next(patience());
  return value ?? assert.fail("the watcher has ended");
}

/** All events up to the first batch with one of that id. */
export async function eventsUntil(watcher: ServiceWatcher, id: string): Promise<readonly InstanceEvent[]> {
  const events: InstanceEvent[] = [];
  while (!events.some(({ instance }) => instance.id === id)) events.push(...(await batch(watcher)));
  return events;
}

export function told(events: readonly InstanceEvent[]): readonly string[] {
  return events.map(({ op, instance }) => `${op} ${instance.id} ${instance.addr()}`);
}

export async function addresses(agent: Agent, name: string): Promise<readonly string[]> {
  return (await agent.service(name)).instances.map((instance) => instance.addr()).sort();
}

export function agentError(code: string): (error: unknown) => boolean {
  return (error) => error instanceof AgentError && error.code === code;
}
