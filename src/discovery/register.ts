import { Backoff } from "../util/backoff.js";
import { choice, optional, requireFields, type Checks } from "../util/fields.js";
import { messageOf } from "../util/error-like.js";
import { retry } from "../util/retry.js";
import { abortable, linkSignal, rejectWhenAborted } from "../util/signals.js";
import type { StalledWarning } from "../util/stalled-warning.js";
import { requireMs, requireSignal, requireTtlMs } from "../util/validate.js";
import type { EtcdDiscovery } from "./discovery.js";
import { encodeHost, type StoredHost } from "./host.js";
import { KeptKey } from "./kept-key.js";
import { hostKey, infoKey } from "./layout.js";
import {
  announcePrivate,
  announcePublic,
  followCredentials,
  isSurvivable,
  type Announced,
  type MetadataContext,
} from "./metadata.js";
import { isRace } from "./owned-key-rules.js";
import type { KeepAliveMode } from "./owned-key.js";
import { LiveRegistration, type Credentials, type Registration, type RegistrationSink } from "./registration.js";
import { infoOf } from "./service-info.js";
import { conflictWarnings } from "./warning.js";
import { within } from "./within.js";

/** How long a host's key lives without a heartbeat by default, in seconds. */
export const HEARTBEAT_DURATION = 5;

/** How to register a host. */
export interface RegisterOptions {
  /** Ends the registration as `close` does. */
  readonly signal?: AbortSignal | undefined;
  /** How long the host's key lives without a heartbeat, in ms; at least 1000, rounded up to whole seconds. @default 5000 */
  readonly ttlMs?: number | undefined;
  /** Time between two heartbeats, in ms; at random up to a tenth shorter. @default 1000 less than `ttlMs`, at least a third of it */
  readonly heartbeatMs?: number | undefined;
  /** Longest pause after a failure, in ms; the first pauses are shorter. @default 1000 */
  readonly retryMs?: number | undefined;
  /** Longest time for each of the two first writes, metadata and host, in ms. @default 300000 */
  readonly initialTimeoutMs?: number | undefined;
  /** `refresh` wakes no watcher; `set` writes the value each time, as the Go library does. @default "refresh" */
  readonly heartbeat?: KeepAliveMode | undefined;
  /** For a public service: `impose` gives it this host's credentials, `adopt` takes those that it has. @default "impose" */
  readonly credentials?: "impose" | "adopt" | undefined;
}

interface Resolved {
  readonly ttlMs: number;
  readonly beatMs: number;
  readonly retryMs: number;
  readonly initialTimeoutMs: number;
  readonly mode: KeepAliveMode;
  readonly adopts: boolean;
}

/** What the steps of one registration share. */
interface Context extends MetadataContext {
  readonly options: Resolved;
  readonly stalled: StalledWarning;
  /** Whether other processes may register under the same id. */
  readonly isSharedId: boolean;
}

/**
 * Starts to register a host under its `uuid`.
 *
 * @param isSharedId whether other processes may register under the same id: then the key is removed by comparing
 * @throws {UsageError} for bad options
 */
export function startRegistration(
  discovery: Pick<EtcdDiscovery, "keys" | "warn" | "stalledWarning">,
  service: string,
  host: StoredHost,
  options: RegisterOptions = {},
  isSharedId = false,
): Registration {
  const resolved = resolve(options);
  const { keys, warn } = discovery;
  const stalled = discovery.stalledWarning(`the registration of a host of service ${JSON.stringify(service)}`);
  const { retryMs } = resolved;
  const context: Context = { keys, service, warn, retryMs, options: resolved, stalled, isSharedId };
  return new LiveRegistration({
    uuid: host.uuid ?? "",
    host,
    signal: options.signal,
    run: (sink, signal) => keepRegistered(context, host, sink, signal),
  });
}

async function keepRegistered(
  context: Context,
  initial: StoredHost,
  sink: RegistrationSink,
  parent: AbortSignal,
): Promise<void> {
  const { keys, service, warn, options, stalled } = context;
  const announced = await announce(context, initial, parent);
  let host = initial.public ? initial.with(announced.info) : initial;
  const key = hostKey(service, host.uuid ?? "");
  let failure: unknown;
  const kept = new KeptKey(keys, key, encodeHost(host), {
    ttlMs: options.ttlMs,
    beatMs: options.beatMs,
    retryMs: options.retryMs,
    mode: options.mode,
    removal: context.isSharedId ? "compare" : "read",
    stalled,
    onState: (state) => {
      sink.state(state);
    },
    onError: (error) => {
      failure = error;
      warn({ code: "RETRY", service, key, message: messageOf(error), error });
    },
    onConflict: (conflict) => {
      warn({ ...conflictWarnings[conflict], service, key });
    },
  });
  const link = linkSignal(parent);
  const { signal } = link;
  // only a closed client ends it before we do
  void kept.closed.then((error) => {
    link.abort(error);
  });
  try {
    const limits = { ms: options.initialTimeoutMs, what: `host ${JSON.stringify(key)}`, failure: () => failure };
    await within(limits, signal, (limit) => abortable(kept.written, limit));
    if (!host.public) {
      sink.update({ user: "", password: "" });
      await rejectWhenAborted(signal);
    }
    sink.update(announced.info, host);
    const apply = async (credentials: Credentials): Promise<void> => {
      const next = host.with(credentials);
      await kept.setValue(encodeHost(next));
      host = next;
      sink.update(credentials, host);
    };
    await followCredentials(context, announced, () => infoOf(host), apply, signal);
  } finally {
    link.unlink();
    await kept.close().catch((error: unknown) => {
      warn({ code: "NOT_DELETED", service, key, message: messageOf(error), error });
    });
  }
}

async function announce(context: Context, host: StoredHost, parent: AbortSignal): Promise<Announced> {
  const { service, warn, options, retryMs, stalled } = context;
  const key = infoKey(service);
  const info = infoOf(host);
  let failure: unknown;
  const attempt = async (signal: AbortSignal): Promise<Announced> => {
    if (host.public) return announcePublic(context, info, options.adopts, signal);
    await announcePrivate(context, info, signal);
    return { info, index: 0 };
  };
  const limits = { ms: options.initialTimeoutMs, what: `metadata ${JSON.stringify(key)}`, failure: () => failure };
  stalled.start();
  return within(limits, parent, (signal) =>
    retry(() => attempt(signal), {
      signal,
      backoff: new Backoff(Math.min(100, retryMs), retryMs),
      isTransient: isSurvivable,
      stalled,
      onFailure: (error) => {
        failure = error;
        if (!isRace(error)) warn({ code: "RETRY", service, key, message: messageOf(error), error });
      },
    }),
  );
}

/** @throws {UsageError} for a bad option */
function requireRegisterOptions(options: RegisterOptions): void {
  requireFields("options", options, registerChecks);
}

function resolve(options: RegisterOptions): Resolved {
  requireRegisterOptions(options);
  const { ttlMs = HEARTBEAT_DURATION * 1_000, retryMs = 1_000, initialTimeoutMs = 300_000 } = options;
  const { heartbeatMs = Math.max(ttlMs - 1_000, ttlMs / 3), heartbeat = "refresh", credentials } = options;
  return { ttlMs, beatMs: heartbeatMs, retryMs, initialTimeoutMs, mode: heartbeat, adopts: credentials === "adopt" };
}

const registerChecks: Checks<RegisterOptions> = {
  signal: requireSignal,
  ttlMs: optional(requireTtlMs),
  heartbeatMs: optional(requireMs),
  retryMs: optional(requireMs),
  initialTimeoutMs: optional(requireMs),
  heartbeat: choice("refresh", "set"),
  credentials: choice("impose", "adopt"),
};
