import { hostname } from "node:os";
import {
  createBackendAgent,
  type Agent,
  type AgentOptions,
  type AgentWarning,
  type Backend,
  type HeldInstance,
  type InstanceData,
  type InstanceSource,
} from "../agent/index.js";
import { isKeyNotFound, keysOf, Mirror, type KeyNode, type KeysAPI, type KeysClient } from "../core/index.js";
import { safeCallback } from "../util/callback.js";
import { deferred, noop } from "../util/deferred.js";
import { anything, optional, requireFields, type Checks } from "../util/fields.js";
import { filesOf } from "../util/files-of.js";
import { abortable } from "../util/signals.js";
import { StalledWarning } from "../util/stalled-warning.js";
import { isTransient } from "../util/transient.js";
import { requireFunction, requireKeysClient, requireText, requireTtlMs } from "../util/validate.js";
import { AgentLayout } from "./agent-layout.js";
import { KeptKey } from "./kept-key.js";
import { MirrorSource } from "./mirror-source.js";
import { conflictWarnings } from "./warning.js";

/** How an agent on etcd works. */
export interface EtcdAgentOptions extends AgentOptions {
  /** The client of the cluster, or its keys. */
  readonly client: KeysClient;
  /** The directory of all services. @default "/disco" */
  readonly prefix?: string | undefined;
  /** How long an instance stays after its process died, in ms; at least 1000, rounded up to whole seconds. Heartbeats come every third of it. @default 15000 */
  readonly ttlMs?: number | undefined;
  /** Called for problems that the agent survives: entries that are not instances, and failures that are retried. */
  readonly onWarning?: ((warning: AgentWarning) => void) | undefined;
}

/**
 * Makes an agent that keeps instances in etcd, each under `<prefix>/<name>/<id>` with a TTL. All watchers of one service
 * share one long poll.
 *
 * @example
 * await using agent = createEtcdAgent({ client });
 * await agent.register({ name: "web", addr: "10.0.0.1", port: 8080 });
 * for await (const batch of (await agent.service("web")).watch()) console.log(batch);
 * @throws {UsageError} for a bad option
 */
export function createEtcdAgent(options: EtcdAgentOptions): Agent {
  requireFields("options", options, etcdAgentChecks);
  const { client, prefix = "/disco", ttlMs = 15_000, onWarning, ...rest } = options;
  const keys = keysOf(client);
  const layout = new AgentLayout(prefix);
  // checks the prefix
  keys.watcher(layout.root);
  const setting: Setting = {
    keys,
    layout,
    ttlMs,
    warn: safeCallback("options.onWarning", onWarning),
    stalledWarning: (what) =>
      new StalledWarning({
        owner: client,
        what,
        hint: "pass onWarning to createEtcdAgent to handle this",
        isHeard: onWarning !== undefined,
      }),
  };
  return createBackendAgent(new EtcdBackend(setting), rest);
}

/** What all parts of one agent share. */
interface Setting {
  readonly keys: KeysAPI;
  readonly layout: AgentLayout;
  readonly ttlMs: number;
  /** Never throws. */
  readonly warn: (warning: AgentWarning) => void;
  readonly stalledWarning: (what: string) => StalledWarning;
}

class EtcdBackend implements Backend {
  readonly nodeAddress = hostname();
  readonly #setting: Setting;

  constructor(setting: Setting) {
    this.#setting = setting;
  }

  async add(
    instance: InstanceData,
    { signal, replaced }: { readonly signal: AbortSignal; readonly replaced?: HeldInstance | undefined },
  ): Promise<HeldInstance> {
    const before = replaced instanceof HeldKey ? replaced : undefined;
    if (before?.canHold(instance) === true) {
      await before.change(instance, signal);
      return before;
    }
    const held = await HeldKey.write(this.#setting, instance, signal);
    await before?.remove().catch((cause: unknown) => {
      this.#setting.warn({
        code: "LEFTOVER",
        message: `${before.key} was replaced, but could not be deleted; it expires`,
        cause,
      });
    });
    return held;
  }

  async list(name: string | undefined, signal: AbortSignal | undefined): Promise<readonly InstanceData[]> {
    const { keys, layout } = this.#setting;
    try {
      const { node } = await keys.get(name === undefined ? layout.root : layout.serviceKey(name), {
        recursive: true,
        sort: true,
        signal,
      });
      return filesOf(node).flatMap((file) => decode(this.#setting, file));
    } catch (error) {
      if (isKeyNotFound(error)) return [];
      throw error;
    }
  }

  source(name: string): InstanceSource {
    const { keys, layout, warn, stalledWarning } = this.#setting;
    const key = layout.serviceKey(name);
    const stalled = stalledWarning(`the watch of ${key}`);
    const onError = (cause: unknown): void => {
      stalled.failed(cause);
      warn({ code: "RETRYING", message: `the watch of ${key} was interrupted`, cause });
    };
    return new MirrorSource(new Mirror(keys, key, { onError }), stalled, (node) => decode(this.#setting, node));
  }
}

/** An instance, and the key that is kept alive for it. */
class HeldKey implements HeldInstance {
  readonly key: string;
  readonly #setting: Setting;
  readonly #kept: KeptKey;
  #value: string;
  #removing = false;
  #refuse: (error: unknown) => void = noop;

  /**
   * Resolves when the instance is written. If it rejects, nothing stays, unless etcd cannot be reached: then the key
   * expires.
   */
  static async write(setting: Setting, instance: InstanceData, signal: AbortSignal): Promise<HeldKey> {
    const held = new HeldKey(setting, instance);
    try {
      await held.#settled(held.#kept.written, signal);
      return held;
    } catch (error) {
      // the first failure is more useful than one of the removal
      await held.remove().catch(noop);
      throw error;
    }
  }

  private constructor(setting: Setting, instance: InstanceData) {
    const { keys, layout, ttlMs, warn, stalledWarning } = setting;
    this.#setting = setting;
    this.key = layout.instanceKey(instance);
    this.#value = layout.valueOf(instance);
    this.#kept = new KeptKey(keys, this.key, this.#value, {
      ttlMs,
      stalled: stalledWarning(`the registration of ${this.key}`),
      onConflict: (conflict) => {
        const { code, message } = conflictWarnings[conflict];
        warn({ code, message: `${this.key}: ${message}` });
      },
      onError: (cause) => {
        warn({ code: "RETRYING", message: `${this.key} could not be kept alive`, cause });
        if (!isTransient(cause)) this.#refuse(cause);
      },
    });
  }

  canHold(instance: InstanceData): boolean {
    return !this.#removing && this.key === this.#setting.layout.instanceKey(instance);
  }

  /** If it rejects, the earlier value is kept, or comes back. */
  async change(instance: InstanceData, signal: AbortSignal): Promise<void> {
    const value = this.#setting.layout.valueOf(instance);
    try {
      await this.#settled(this.#kept.setValue(value), signal);
      this.#value = value;
    } catch (error) {
      this.#kept.setValue(this.#value).catch(noop);
      throw error;
    }
  }

  remove(): Promise<void> {
    this.#removing = true;
    return this.#kept.close();
  }

  /** Waits for a write. A refusal ends the wait: otherwise the write would be retried without end. */
  async #settled(written: Promise<void>, signal: AbortSignal): Promise<void> {
    const refused = deferred<never>();
    this.#refuse = refused.reject;
    try {
      await abortable(Promise.race([written, refused.promise]), signal);
    } finally {
      this.#refuse = noop;
    }
  }
}

function decode({ layout, warn }: Setting, node: KeyNode): readonly InstanceData[] {
  const found = layout.instanceOf(node);
  if (typeof found !== "string") return [found];
  warn({ code: "SKIPPED", message: `${node.key} is left out: ${found}` });
  return [];
}

const etcdAgentChecks: Checks<EtcdAgentOptions> = {
  // checked by the agent itself
  advertiseAddress: anything,
  defaultTags: anything,
  client: requireKeysClient,
  prefix: optional(requireText),
  ttlMs: optional(requireTtlMs),
  onWarning: requireFunction,
};
