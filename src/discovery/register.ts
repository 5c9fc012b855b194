import type { KeysAPI } from "../core/index.js";
import { abortable, linkSignal } from "../util/signals.js";
import { badArgument, requireMs, requireOptions, requireSignal, requireTtlMs } from "../util/validate.js";
import { encodeHost, type StoredHost } from "./host.js";
import { KeptKey } from "./kept-key.js";
import type { KeepAliveMode } from "./owned-key.js";
import { hostKey, infoKey } from "./layout.js";
import {
  adopt,
  announcePrivate,
  followCredentials,
  impose,
  isRace,
  type Announced,
  type MetadataContext,
} from "./metadata.js";
import {
  aborted,
  LiveRegistration,
  type Credentials,
  type Registration,
  type RegistrationSink,
} from "./registration.js";
import { retry, within } from "./retry.js";
import { infoOf } from "./service-info.js";
import { conflictMessages, wordsOf, type Warn } from "./warning.js";

/** How long a host's key lives without a heartbeat by default, in seconds. */
export const HEARTBEAT_DURATION = 5;

export interface RegisterOptions {
  /** Ends the registration as `close` does. */
  readonly signal?: AbortSignal | undefined;
  /** How long the host's key lives without a heartbeat, in ms; at least 1000, rounded up to whole seconds. @default 5000 */
  readonly ttlMs?: number | undefined;
  /** Between two heartbeats, in ms; at random up to a tenth shorter. @default a second less than the TTL, at least a third of it */
  readonly heartbeatMs?: number | undefined;
  /** Pause after a failure, in ms; at random up to half shorter. @default 1000 */
  readonly retryMs?: number | undefined;
  /** Longest time for each of the two first writes, metadata and host, in ms. @default 300000 */
  readonly initialTimeoutMs?: number | undefined;
  /** `refresh` wakes no watcher; `set` writes the value each time, as the Go library does. @default "refresh" */
  readonly heartbeat?: KeepAliveMode | undefined;
  /** Of a public service: `impose` gives it this host's credentials, `adopt` takes those that it has. @default "impose" */
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

/** What is the same for all attempts of one registration. */
interface Context extends MetadataContext {
  readonly options: Resolved;
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
  keys: KeysAPI,
  service: string,
  host: StoredHost,
  warn: Warn,
  options: RegisterOptions = {},
  isSharedId = false,
): Registration {
  const resolved = resolve(options);
  const context: Context = { keys, service, warn, retryMs: resolved.retryMs, options: resolved, isSharedId };
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
  const { keys, service, warn, options } = context;
  const announced = await announce(context, initial, parent);
  let host = initial.public ? initial.with(announced.info) : initial;
  const key = hostKey(service, host.uuid ?? "");
  let failure: unknown;
  const kept = new KeptKey(keys, key, encodeHost(host), {
    ttlMs: options.ttlMs,
    removal: context.isSharedId ? "compare" : "read",
    beatMs: options.beatMs,
    retryMs: options.retryMs,
    mode: options.mode,
    onState: (state) => {
      sink.state(state);
    },
    onError: (error) => {
      failure = error;
      warn({ code: "RETRY", service, key, message: wordsOf(error), error });
    },
    onConflict: (conflict) => {
      warn({
        code: conflict === "restored" ? "RESTORED" : "TAKEN_OVER",
        service,
        key,
        message: conflictMessages[conflict],
      });
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
      sink.update(nobody);
      await aborted(signal);
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
      warn({ code: "NOT_DELETED", service, key, message: wordsOf(error), error });
    });
  }
}

async function announce(context: Context, host: StoredHost, signal: AbortSignal): Promise<Announced> {
  const { service, warn, options, retryMs } = context;
  const key = infoKey(service);
  const info = infoOf(host);
  let failure: unknown;
  const onError = (error: unknown): void => {
    failure = error;
    if (!isRace(error)) warn({ code: "RETRY", service, key, message: wordsOf(error), error });
  };
  const attempt = async (limit: AbortSignal): Promise<Announced> => {
    if (host.public) return options.adopts ? adopt(context, info, limit) : impose(context, info, limit);
    await announcePrivate(context, info, limit);
    return { info, index: 0 };
  };
  const limits = { ms: options.initialTimeoutMs, what: `metadata ${JSON.stringify(key)}`, failure: () => failure };
  return within(limits, signal, (limit) => retry(attempt, { retryMs, onError, signal: limit }));
}

function resolve(options: RegisterOptions): Resolved {
  requireOptions("options", options, registerOptionNames);
  const {
    signal,
    ttlMs = HEARTBEAT_DURATION * 1_000,
    retryMs = 1_000,
    initialTimeoutMs = 300_000,
    heartbeat = "refresh",
    credentials = "impose",
  } = options;
  requireSignal("options.signal", signal);
  requireTtlMs("options.ttlMs", ttlMs);
  const { heartbeatMs = Math.max(ttlMs - 1_000, ttlMs / 3) } = options;
  requireMs("options.heartbeatMs", heartbeatMs);
  requireMs("options.retryMs", retryMs);
  requireMs("options.initialTimeoutMs", initialTimeoutMs);
  if (!["refresh", "set"].includes(heartbeat)) badArgument('options.heartbeat must be "refresh" or "set"');
  if (!["impose", "adopt"].includes(credentials)) badArgument('options.credentials must be "impose" or "adopt"');
  return { ttlMs, beatMs: heartbeatMs, retryMs, initialTimeoutMs, mode: heartbeat, adopts: credentials === "adopt" };
}

const nobody: Credentials = { user: "", password: "" };

const registerOptionNames: ReadonlySet<string> = new Set<keyof RegisterOptions>([
  "signal",
  "ttlMs",
  "heartbeatMs",
  "retryMs",
  "initialTimeoutMs",
  "heartbeat",
  "credentials",
]);
