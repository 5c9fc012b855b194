import { hostname } from "node:os";
import { onAbort } from "../util/signals.js";
import type { Agent } from "./agent.js";
import type { AgentOptions } from "./agent-options.js";
import type { Backend, HeldInstance, InstanceSource, SourceUpdate } from "./backend.js";
import { createBackendAgent } from "./backend-agent.js";
import type { InstanceData } from "./instance.js";

/**
 * Makes an agent that is empty, knows what is registered through itself, and ends with the process: for tests, and for
 * programs that run without discovery.
 *
 * @throws {UsageError} for a bad option
 */
export function createLocalAgent(options: AgentOptions = {}): Agent {
  return createBackendAgent(new LocalBackend(), options);
}

/** Keeps instances in this process. */
export class LocalBackend implements Backend {
  readonly nodeAddress = hostname();
  readonly #instances = new Map<string, InstanceData>();
  readonly #waiting = new Set<() => void>();
  #version = 0;

  /** How many sources wait for a change. */
  get waiting(): number {
    return this.#waiting.size;
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
        while (seen === this.#version) await this.#change(signal);
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
    for (const wake of this.#waiting) wake();
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        off();
        resolve();
      };
      const off = onAbort(signal, (reason) => {
        this.#waiting.delete(wake);
        reject(reason);
      });
      if (!signal.aborted) this.#waiting.add(wake);
    });
  }
}
