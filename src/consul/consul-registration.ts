import type { AgentWarning, HeldInstance, InstanceData } from "../agent/index.js";
import type { RequestSpec, Sender } from "../http/exchange.js";
import { Backoff } from "../util/backoff.js";
import { diagnostics, trace } from "../util/diagnostics.js";
import { bounded } from "../util/bounded.js";
import { messageOf } from "../util/error-like.js";
import { SdkError } from "../util/errors.js";
import { Handle } from "../util/handle.js";
import { log } from "../util/log.js";
import { retry } from "../util/retry.js";
import { sleep } from "../util/signals.js";
import { StalledWarning } from "../util/stalled-warning.js";
import { isTransient } from "../util/transient.js";
import { BlockingQuery } from "./blocking-query.js";
import { formatDuration } from "./durations.js";
import { ConsulError, RequestError } from "./errors.js";
import { healthOf, keyOf, readInstances } from "./health.js";
import type { OwnAgent } from "./own-agent.js";
import { isAnother, isHidden, readRegistered } from "./registered.js";
import { jsonSpec, putSpec, request, segment } from "./request.js";
import { isConsulTransient } from "./transient.js";

/** A check that fails unless the process reports in time that it is well. */
export interface TtlCheck {
  /** The check fails this long after the last report, in ms. It is reported every third of it. */
  readonly ttlMs: number;
  /** How long it may fail before Consul removes the instance, in ms. Consul treats less than a minute as a minute. */
  readonly deregisterAfterMs: number;
}

export interface RegistrationSetting {
  readonly client: Sender;
  readonly instance: InstanceData;
  /** The agent that the instance is registered with. */
  readonly own: OwnAgent;
  /** Absent: the instance has no check, and nothing is sent to keep it. */
  readonly check: TtlCheck | undefined;
  readonly warn: (warning: AgentWarning) => void;
  /** Whether the user has a handler for warnings. */
  readonly isHeard: boolean;
  /** Bounds how many registrations and removals run at once. */
  readonly inTurn: <T>(run: () => Promise<T>) => Promise<T>;
}

/** How long a change may take from the agent to the servers before we go on without having seen it, in ms. */
const seenMs = 5_000;
const minRetryMs = 100;
const maxRetryMs = 10_000;

/** An instance that is registered with the node's agent, and kept there. */
export class ConsulRegistration implements HeldInstance {
  readonly #setting: RegistrationSetting;
  #loop: Handle | undefined;

  /**
   * Registers an instance, in place of `before` if that is given. Resolves once others can see it. If it rejects, `before`
   * goes on.
   */
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

  /**
   * Deregisters it, and resolves once others see that. An instance that another process has registered under its id
   * stays.
   */
  remove(): Promise<void> {
    return this.#setting.inTurn(() => this.#remove());
  }

  /** Starts to keep it. */
  resume(): void {
    const { check, warn, instance } = this.#setting;
    if (check === undefined) return;
    this.#loop = new Handle(`the registration of "${instance.id}"`, { run: ({ signal }) => this.#beat(check, signal) });
    void this.#loop.closed.then((cause) => {
      if (cause === undefined) return;
      warn({ code: "LEFTOVER", message: `the check of "${instance.id}" is no longer passed`, cause });
    });
  }

  /** Stops keeping it, until `resume`. */
  async pause(): Promise<void> {
    await this.#loop?.close();
  }

  async #begin(before: ConsulRegistration | undefined, signal: AbortSignal): Promise<this> {
    signal.throwIfAborted();
    await before?.pause();
    try {
      await this.#leaveOtherService(signal);
      await this.#register(signal);
      await this.#untilSeen(this.#setting.instance, true, signal);
    } catch (error) {
      // the agent may have registered it all the same
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
    const { client, instance } = this.#setting;
    // unreadable or unreachable: removing what may be ours is the lesser evil, and its own error says what is wrong
    const registered = await readRegistered(client, instance.id, undefined).catch(() => undefined);
    if (typeof registered === "object" && isAnother(registered, instance)) return;
    await this.#deregister();
    await this.#untilSeen(instance, false, undefined);
  }

  /** If an id moves to another service, Consul does not report it to watchers of the first one: it must be removed there before. */
  async #leaveOtherService(signal: AbortSignal): Promise<void> {
    const { client, instance } = this.#setting;
    const registered = await readRegistered(client, instance.id, signal);
    if (typeof registered !== "object" || registered.name === instance.name) return;
    await this.#deregister();
    await this.#untilSeen({ ...instance, ...registered, tags: [] }, false, signal);
  }

  async #beat({ ttlMs }: TtlCheck, signal: AbortSignal): Promise<void> {
    const { client, warn, isHeard, instance } = this.#setting;
    const options = {
      signal,
      backoff: new Backoff(minRetryMs, Math.min(ttlMs / 3, maxRetryMs)),
      // rights can come back: only errors of the program, and a closed client, end it
      isTransient: (error: unknown) => error instanceof ConsulError || isTransient(error),
      stalled: new StalledWarning({
        owner: client,
        what: `the registration of "${instance.id}"`,
        hint: "pass options.onWarning to handle this",
        isHeard,
      }),
      onFailure: (cause: unknown) => {
        warn({
          code: "RETRYING",
          message: `the check of "${instance.id}" could not be passed: it is tried again`,
          cause,
        });
      },
    };
    let isOurs = true;
    for (;;) {
      await sleep(ttlMs / 3, signal);
      const wasOurs = isOurs;
      isOurs = await retry(() => {
        const message = { room: "consul", key: instance.id } as const;
        return trace(diagnostics().heartbeat, message, () => this.#pass(ttlMs / 4, signal));
      }, options);
      if (wasOurs && !isOurs) {
        const message = `another process has registered "${instance.id}": this one stands by until that is gone`;
        warn({ code: "TAKEN_OVER", message });
      }
    }
  }

  /** Passes the check, or registers again what is gone. Resolves to false if the id belongs to another process's instance. */
  async #pass(limitMs: number, signal: AbortSignal): Promise<boolean> {
    const { client, instance } = this.#setting;
    const limits = { headersMs: limitMs, idleMs: limitMs };
    const limited: Sender = { send: (spec, each) => client.send({ ...spec, limits }, each) };
    const registered = await readRegistered(limited, instance.id, signal);
    if (typeof registered === "object" && isAnother(registered, instance)) return false;
    try {
      await request(limited, putSpec(`/v1/agent/check/pass/${segment("id", `service:${instance.id}`)}`), signal);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      // an agent that lost its state, or removed the instance, does not know the check
      await request(limited, this.#spec(), signal);
    }
    return true;
  }

  async #register(signal: AbortSignal | undefined): Promise<void> {
    await request(this.#setting.client, this.#spec(), signal);
  }

  async #deregister(): Promise<void> {
    const spec = putSpec(`/v1/agent/service/deregister/${segment("id", this.#setting.instance.id)}`);
    await request(this.#setting.client, spec, undefined).catch((error: unknown) => {
      // newer servers respond like this if it is already gone
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

  /**
   * Waits until the servers know what the agent did: the agent syncs to them a moment later. Goes on after `seenMs`,
   * and at once if the token may not read the catalog.
   */
  async #untilSeen(wanted: InstanceData, isThere: boolean, signal: AbortSignal | undefined): Promise<void> {
    const { client, own } = this.#setting;
    const { id, name } = wanted;
    // only this instance, of what may be many; servers before 1.5 have no filter, and send all
    const filter = /^[\w.:-]+$/.test(id) ? `Service.ID == "${id}"` : undefined;
    const query = new BlockingQuery(client, { ...healthOf(name, { filter }), waitMs: seenMs, firstMs: seenMs });
    const late = new Error("the servers did not know in time");
    let isFirst = true;
    const look = async (each: AbortSignal): Promise<void> => {
      for (;;) {
        const found = readInstances(name, query.asked, await query.next(each));
        if (found.some((other) => isSame(wanted, other, own)) === isThere) return;
        if (isFirst && isThere && (await isHidden(client, { id, own }, each))) return;
        isFirst = false;
      }
    };
    try {
      await bounded(
        seenMs,
        signal,
        () => late,
        (each) =>
          retry(() => look(each), {
            signal: each,
            backoff: new Backoff(minRetryMs, seenMs),
            isTransient: isConsulTransient,
          }),
      );
    } catch (error) {
      signal?.throwIfAborted();
      if (error !== late && !(error instanceof SdkError)) throw error;
      log.consul("%s: %s", id, messageOf(error));
    }
  }

  #leftOver(cause: unknown): void {
    const { warn, instance } = this.#setting;
    warn({ code: "LEFTOVER", message: `"${instance.id}" may still be registered`, cause });
  }
}

/** Whether the servers know this very instance. One that is registered without an address has its node's. */
function isSame(ours: InstanceData, theirs: InstanceData, { node }: OwnAgent): boolean {
  const tags = new Set(theirs.tags);
  return (
    ours.id === theirs.id &&
    (node === undefined || theirs.key === keyOf(node, ours.id)) &&
    ours.port === theirs.port &&
    (ours.host === "" || ours.host === theirs.host) &&
    ours.tags.every((tag) => tags.has(tag))
  );
}
