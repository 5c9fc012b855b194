import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { AgentError, type Agent, type AgentOptions, type InstanceEvent, type ServiceWatcher } from "../index.js";
import { test } from "../../test-kit/register.js";
import { patience } from "../../test-kit/waiting.js";

/** An empty backend for one test. */
export interface AgentGround {
  /** Makes an agent on it. All of them see the same instances. The suite closes them. */
  create(options?: AgentOptions): Agent;
  /** Makes deregistrations of an id fail until the returned function is called. */
  failRemoval(id: string): () => void;
  /** Resolves once nothing polls the backend. */
  idle(): Promise<void>;
}

export type StartGround = (t: TestContext) => AgentGround | Promise<AgentGround>;
export type Check = (
  title: string,
  body: (create: AgentGround["create"], ground: AgentGround) => Promise<void>,
) => void;

/** Makes a function that declares tests: each gets an empty backend, and its agents are closed at the end. */
export function checksOn(backend: string, start: StartGround): Check {
  return (title, body) => {
    test(`${title} (${backend})`, { timeout: 300_000 }, async (t) => {
      const ground = await start(t);
      const agents: Agent[] = [];
      const create = (options?: AgentOptions): Agent => {
        const agent = ground.create(options);
        agents.push(agent);
        return agent;
      };
      try {
        await body(create, ground);
      } catch (error) {
        // an error of closing would hide why the test failed
        await Promise.allSettled(agents.map((agent) => agent.close()));
        throw error;
      }
      await Promise.all(agents.map((agent) => agent.close()));
    });
  };
}

export async function batch(watcher: ServiceWatcher): Promise<readonly InstanceEvent[]> {
  const { value } = await watcher.next(patience());
  return value ?? assert.fail("the watcher has ended");
}

/** All events up to the first batch that has one with this id. */
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
