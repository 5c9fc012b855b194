import { hostname } from "node:os";
import { Notifier } from "../util/notifier.js";
import type { Agent } from "./agent.js";
import type { AgentOptions } from "./agent-options.js";
import type { Backend, HeldInstance, InstanceSource, SourceUpdate } from "./backend.js";
import { createBackendAgent } from "./backend-agent.js";
import type { InstanceData } from "./instance.js";

/**
 * Makes an agent that keeps its instances in this process, and knows no others: for tests, and for programs that run
 * without discovery.
 *
 * @throws {UsageError} for a bad option
 *
 * @example
 * const agent = createLocalAgent();
 * await agent.register({ name: "web", port: 80 });
 * (await agent.service("web")).instances; // one
 */
export function createLocalAgent(options: AgentOptions = {}): Agent {
  return createBackendAgent(new LocalBackend(), options);
}

/** Keeps instances in this process. */
export class LocalBackend implements Backend {
  readonly nodeAddress = hostname();
  readonly #instances = new Map<string, InstanceData>();
  readonly #changes = new Notifier();
  #version = 0;

  /** How many sources wait for a change. */
  get waiting(): number {
    return this.#changes.waiting;
  }

  add(instance: InstanceData): Promise<HeldInstance> {
    this.#instances.set(instance.id, instance);
    this.#changed();
    return Promise.resolve({ remove: () => this.#remove(instance.id) });
  }

  list(name: string | undefined): Promise<readonly InstanceData[]> {
    return Promise.resolve(this.#read(name));
  }

  source(name: string): InstanceSource {
    let seen: number | undefined;
    return {
      next: async (signal): Promise<SourceUpdate> => {
        while (seen === this.#version) await this.#changes.wait(signal);
        seen = this.#version;
        return { kind: "state", instances: this.#read(name) };
      },
      reread: () => {
        seen = undefined;
      },
    };
  }

  #read(name: string | undefined): readonly InstanceData[] {
    return [...this.#instances.values()].filter((instance) => name === undefined || instance.name === name);
  }

  #remove(id: string): Promise<void> {
    this.#instances.delete(id);
    this.#changed();
    return Promise.resolve();
  }

  #changed(): void {
    this.#version++;
    this.#changes.notify();
  }
}
