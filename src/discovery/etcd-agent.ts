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
import {
  EtcdError,
  isKeyNotFound,
  keysOf,
  Mirror,
  ResponseError,
  type KeyNode,
  type KeysAPI,
  type KeysClient,
} from "../core/index.js";
import { log } from "../util/log.js";
import { abortable } from "../util/signals.js";
import { requireFunction, requireOptions, requireText, requireTtlMs } from "../util/validate.js";
import { AgentLayout } from "./agent-layout.js";
import { KeptKey } from "./kept-key.js";
import { filesOf, MirrorSource } from "./mirror-source.js";
import { conflictMessages } from "./warning.js";

export interface EtcdAgentOptions extends AgentOptions {
  readonly client: KeysClient;
  /** The directory of all services. @default "/disco" */
  readonly prefix?: string | undefined;
  /** How long an instance stays after its process died, in ms; at least 1000, rounded up to whole seconds. Heartbeats come every third of it. @default 15000 */
  readonly ttlMs?: number | undefined;
  /** Told of what the agent lives with: entries that it does not understand, and failures that it tries again. What it throws is logged and dropped. */
  readonly onWarning?: ((warning: AgentWarning) => void) | undefined;
}

/**
 * Makes an agent that keeps instances in etcd, each under `<prefix>/<name>/<id>` with a TTL. All watchers of one service
 * share one long poll.
 *
 * @throws {UsageError} for a bad option
 */
export function createEtcdAgent(options: EtcdAgentOptions): Agent {
  requireOptions("options", options, etcdAgentOptionNames);
  const { client, prefix = "/disco", ttlMs = 15_000, onWarning, ...rest } = options;
  requireText("options.prefix", prefix);
  requireTtlMs("options.ttlMs", ttlMs);
  requireFunction("options.onWarning", onWarning);
  const keys = keysOf(client);
  const layout = new AgentLayout(prefix);
  // checks the prefix
  keys.watcher(layout.root);
  return createBackendAgent(new EtcdBackend({ keys, layout, ttlMs, warn: guarded(onWarning) }), rest);
}

interface Setting {
  readonly keys: KeysAPI;
  readonly layout: AgentLayout;
  readonly ttlMs: number;
  readonly warn: (warning: AgentWarning) => void;
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
        message: `${before.key} was replaced but could not be deleted: it expires`,
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
    const { keys, layout, warn } = this.#setting;
    const key = layout.serviceKey(name);
    const onError = (cause: unknown): void => {
      warn({ code: "RETRYING", message: `the watch of ${key} was interrupted`, cause });
    };
    return new MirrorSource(new Mirror(keys, key, { onError }), (node) => decode(this.#setting, node));
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

  /** Resolves when it is written. Rejected: nothing of it stays, unless etcd cannot be reached any more; then it expires. */
  static async write(setting: Setting, instance: InstanceData, signal: AbortSignal): Promise<HeldKey> {
    const held = new HeldKey(setting, instance);
    try {
      await held.#settled(held.#kept.written, signal);
      return held;
    } catch (error) {
      // what we reject with tells more than what may go wrong here
      await held.remove().catch(noop);
      throw error;
    }
  }

  private constructor(setting: Setting, instance: InstanceData) {
    const { keys, layout, ttlMs, warn } = setting;
    this.#setting = setting;
    this.key = layout.instanceKey(instance);
    this.#value = layout.valueOf(instance);
    this.#kept = new KeptKey(keys, this.key, this.#value, {
      ttlMs,
      onConflict: (conflict) => {
        warn({
          code: conflict === "restored" ? "RESTORED" : "TAKEN_OVER",
          message: `${this.key}: ${conflictMessages[conflict]}`,
        });
      },
      onError: (cause) => {
        warn({ code: "RETRYING", message: `${this.key} could not be kept alive`, cause });
        if (isRefusal(cause)) this.#refuse(cause);
      },
    });
  }

  canHold(instance: InstanceData): boolean {
    return !this.#removing && this.key === this.#setting.layout.instanceKey(instance);
  }

  /** Rejected: the value that was there before is, or will be, there again. */
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

  /** Refusals end the wait: the key would be tried for ever. */
  async #settled(written: Promise<void>, signal: AbortSignal): Promise<void> {
    const refused = new Promise<never>((_resolve, reject) => (this.#refuse = reject));
    try {
      await abortable(Promise.race([written, refused]), signal);
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

/** What trying again does not mend. */
function isRefusal(error: unknown): boolean {
  return error instanceof EtcdError || (error instanceof ResponseError && error.status >= 400 && error.status < 500);
}

function guarded(onWarning: EtcdAgentOptions["onWarning"]): Setting["warn"] {
  return (warning) => {
    try {
      onWarning?.(warning);
    } catch (error) {
      log.discovery("onWarning threw: %s", error instanceof Error ? error.message : "");
    }
  };
}

function noop(): void {
  // nobody waits, or nobody cares
}

const etcdAgentOptionNames: ReadonlySet<string> = new Set<keyof EtcdAgentOptions>([
  "client",
  "prefix",
  "ttlMs",
  "onWarning",
  "advertiseAddress",
  "defaultTags",
]);
