import type { AgentWarning, HeldInstance, InstanceData } from "../agent/index.js";
import type { RequestSpec, Sender } from "../http/exchange.js";
import { Backoff } from "../util/backoff.js";
import { bounded } from "../util/bounded.js";
import { log } from "../util/log.js";
import { persist } from "../util/persist.js";
import { linkSignal, sleep, type Link } from "../util/signals.js";
import { BlockingQuery } from "./blocking-query.js";
import { formatDuration } from "./durations.js";
import { RequestError } from "./errors.js";
import { healthOf, readInstances } from "./health.js";
import { jsonSpec, putSpec, request } from "./request.js";

/** A check that fails unless the process says in time that it is well. */
export interface TtlCheck {
  /** In ms; said every third of it. */
  readonly ttlMs: number;
  /** How long it may fail before Consul takes the instance out, in ms; Consul knows no less than a minute. */
  readonly deregisterAfterMs: number;
}

export interface RegistrationSetting {
  readonly client: Sender;
  readonly instance: InstanceData;
  /** Absent: none, and nothing is kept up. */
  readonly check: TtlCheck | undefined;
  readonly warn: (warning: AgentWarning) => void;
  /** Bounds how many come and go at once. */
  readonly inTurn: <T>(run: () => Promise<T>) => Promise<T>;
}

/** How long a change of ours may take from the agent to the servers before we go on all the same, in ms. */
const seenMs = 5_000;
const minRetryMs = 100;
const maxRetryMs = 10_000;

/** An instance that is registered with the node's agent, and kept up there. */
export class ConsulRegistration implements HeldInstance {
  readonly #setting: RegistrationSetting;
  #link: Link | undefined;
  #loop: Promise<void> | undefined;

  /** Registers, in place of `before` if that is given, which goes on when this rejects. Resolves once others see it. */
  static async begin(
    setting: RegistrationSetting,
    before: ConsulRegistration | undefined,
    signal: AbortSignal,
  ): Promise<ConsulRegistration> {
    const registration = new ConsulRegistration(setting);
    return setting.inTurn(() => registration.#begin(before, signal));
  }

  private constructor(setting: RegistrationSetting) {
    this.#setting = setting;
  }

  remove(): Promise<void> {
    return this.#setting.inTurn(() => this.#remove());
  }

  /** Begins to keep it up. */
  resume(): void {
    const { check } = this.#setting;
    if (check === undefined) return;
    const link = linkSignal();
    this.#link = link;
    this.#loop = this.#beat(check, link.signal).catch(() => undefined);
  }

  async pause(): Promise<void> {
    this.#link?.abort(new Error("the registration has ended"));
    await this.#loop;
  }

  async #begin(before: ConsulRegistration | undefined, signal: AbortSignal): Promise<this> {
    signal.throwIfAborted();
    await before?.pause();
    try {
      await this.#register(signal);
      await this.#untilSeen((found) => found, signal);
    } catch (error) {
      // it may have been done all the same
      await (before === undefined ? this.#deregister() : before.#register(undefined)).catch((failure: unknown) => {
        if (before === undefined) this.#leftOver(failure);
      });
      before?.resume();
      throw error;
    }
    this.resume();
    return this;
  }

  async #remove(): Promise<void> {
    await this.pause();
    await this.#deregister();
    await this.#untilSeen((found) => !found, undefined);
  }

  async #beat({ ttlMs }: TtlCheck, signal: AbortSignal): Promise<never> {
    const backoff = new Backoff(minRetryMs, Math.min(ttlMs / 3, maxRetryMs));
    const { warn, instance } = this.#setting;
    const onFailure = (error: unknown): void => {
      warn({
        code: "RETRYING",
        message: `the check of "${instance.id}" could not be passed: tried again`,
        cause: error,
      });
    };
    for (;;) {
      await sleep(ttlMs / 3, signal);
      await persist(signal, { backoff, isFinal: () => false, onFailure }, async () => {
        await this.#pass(ttlMs / 4, signal);
        return true;
      });
      backoff.reset();
    }
  }

  async #pass(limitMs: number, signal: AbortSignal): Promise<void> {
    const limits = { headersMs: limitMs, idleMs: limitMs };
    try {
      const spec = putSpec(`/v1/agent/check/pass/${encodeURIComponent(`service:${this.#setting.instance.id}`)}`);
      await request(this.#setting.client, { ...spec, limits }, signal);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      // an agent that lost its state, or took the instance out, does not know the check: registering again mends both
      await request(this.#setting.client, { ...this.#spec(), limits }, signal);
    }
  }

  async #register(signal: AbortSignal | undefined): Promise<void> {
    await request(this.#setting.client, this.#spec(), signal);
  }

  async #deregister(): Promise<void> {
    const spec = putSpec(`/v1/agent/service/deregister/${encodeURIComponent(this.#setting.instance.id)}`);
    await request(this.#setting.client, spec, undefined).catch((error: unknown) => {
      // newer servers say so when it is gone already
      if (!(error instanceof RequestError) || error.statusCode !== 404) throw error;
    });
  }

  #spec(): RequestSpec {
    const { instance, check } = this.#setting;
    const { id, name, tags, port, host, meta } = instance;
    return jsonSpec(
      "/v1/agent/service/register",
      {},
      {
        ID: id,
        Name: name,
        Tags: tags,
        Port: port,
        Address: host,
        ...(meta !== undefined && { Meta: meta }),
        ...(check !== undefined && {
          Check: {
            TTL: formatDuration(check.ttlMs),
            DeregisterCriticalServiceAfter: formatDuration(check.deregisterAfterMs),
            Status: "passing",
          },
        }),
      },
    );
  }

  /** The agent tells the servers a moment later. Who may not look, or looks in vain for long, goes on. */
  async #untilSeen(isDone: (found: boolean) => boolean, signal: AbortSignal | undefined): Promise<void> {
    const { client, instance } = this.#setting;
    // only this one, of what may be many; servers before 1.5 know no filter, and send all
    const filter = /^[\w.:-]+$/.test(instance.id) ? `Service.ID == "${instance.id}"` : undefined;
    const query = new BlockingQuery(client, {
      ...healthOf(instance.name, { filter }),
      waitMs: seenMs,
      firstMs: seenMs,
    });
    const persistence = {
      backoff: new Backoff(minRetryMs, seenMs),
      isFinal: (error: unknown) => error instanceof RequestError,
      onFailure: () => undefined,
    };
    const tooLate = (): Error => new Error("not seen in time");
    try {
      await bounded(seenMs, signal, tooLate, (each) =>
        persist(each, persistence, async () => {
          const instances = readInstances(instance.name, query.asked, await query.next(each));
          return isDone(instances.some((other) => isSame(instance, other))) ? true : undefined;
        }),
      );
    } catch (error) {
      signal?.throwIfAborted();
      log.consul("%s: %s", instance.id, error instanceof Error ? error.message : "");
    }
  }

  #leftOver(cause: unknown): void {
    const { warn, instance } = this.#setting;
    warn({ code: "LEFTOVER", message: `"${instance.id}" may be registered still`, cause });
  }
}

/** Whether it is this one that the servers know; without an address it has its node's. */
function isSame(ours: InstanceData, theirs: InstanceData): boolean {
  const tags = new Set(theirs.tags);
  return (
    ours.id === theirs.id &&
    ours.port === theirs.port &&
    (ours.host === "" || ours.host === theirs.host) &&
    ours.tags.every((tag) => tags.has(tag))
  );
}
