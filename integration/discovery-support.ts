import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  createDiscovery,
  type Discovery,
  type DiscoveryWarning,
  type Host,
  type Subscription,
} from "../src/discovery/index.js";
import {
  isKeyNotFound,
  type KeyNode,
  type KeysAPI,
  type KeysClient,
  type RawResponse,
  type RequestSpec,
  type Sender,
} from "../src/core/index.js";
import { until } from "../src/test-kit/waiting.js";

/** A name of a service that no other test uses. */
export function serviceName(): string {
  return `test-${randomBytes(6).toString("hex")}`;
}

/** A discovery and its warnings. */
export interface Observed {
  readonly discovery: Discovery;
  readonly warnings: readonly DiscoveryWarning[];
  /** Resolves once there is a warning with that code. */
  readonly warned: (code: DiscoveryWarning["code"]) => Promise<DiscoveryWarning>;
}

export function observed(client: KeysClient): Observed {
  const warnings: DiscoveryWarning[] = [];
  const discovery = createDiscovery({ client, hostname: "box", onWarning: (warning) => warnings.push(warning) });
  return {
    discovery,
    warnings,
    warned: (code) => until(`a warning ${code}`, () => warnings.find((each) => each.code === code)),
  };
}

/** Passes requests on, and records their specs. */
export class Recorder implements Sender {
  readonly specs: RequestSpec[] = [];
  /** Long polls that are open now. */
  polls = 0;
  readonly #sender: Sender;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  async send(spec: RequestSpec, signal?: AbortSignal): Promise<RawResponse> {
    this.specs.push(spec);
    const polling = spec.longPoll === true;
    this.polls += Number(polling);
    try {
      return await this.#sender.send(spec, signal);
    } finally {
      this.polls -= Number(polling);
    }
  }
}

/** The node of a key, read by quorum; undefined if there is none. */
export async function nodeOf(keys: KeysAPI, key: string): Promise<KeyNode | undefined> {
  try {
    return (await keys.get(key, { quorum: true, recursive: true, sort: true })).node;
  } catch (error) {
    if (isKeyNotFound(error)) return undefined;
    throw error;
  }
}

/** The next items of a subscription, which stays open. Fails if they do not arrive in time. */
export async function take<T>(subscription: Subscription<T>, count: number, ms = 30_000): Promise<readonly T[]> {
  const items: T[] = [];
  const iterator = subscription[Symbol.asyncIterator]();
  while (items.length < count) {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(
          new assert.AssertionError({ message: `${String(items.length)} of ${String(count)} items came in time` }),
        );
      }, ms);
    });
    const next = await Promise.race([iterator.next(), late]).finally(() => {
      clearTimeout(timer);
    });
    if (next.done === true) assert.fail("the subscription ended");
    items.push(next.value);
  }
  return items;
}

export function uuidsOf(hosts: readonly Host[]): readonly (string | undefined)[] {
  return hosts.map(({ uuid }) => uuid);
}
