import { optional, requireFields, type Checks } from "../util/fields.js";
import { badArgument, requireMs, requireMsBetween, requireSignal, requireText } from "../util/validate.js";
import type { Leadership, LeadershipConfig, SignalOptions } from "./lock.js";

/** What a backend accepts. */
export interface LockLimits {
  /** Shortest TTL, in ms. */
  readonly minTtlMs: number;
  /** Longest TTL, in ms. */
  readonly maxTtlMs: number;
  /** Longest lock-delay, in ms. */
  readonly maxLockDelayMs: number;
}

/**
 * How long one request of an election may take, in ms: short enough for several attempts within the TTL.
 *
 * @param ttlMs of the lock
 */
export function requestMs(ttlMs: number): number {
  return Math.min(ttlMs / 4, Math.max(ttlMs / 6, 500));
}

const defaultDescription = "default-leader-session";
const defaultTtlMs = 15_000;
const defaultLockDelayMs = 15_000;
const maxDefaultMarginMs = 1_000;
const defaultCooldownMs = 1_000;
const defaultStepDownTimeoutMs = 5_000;

/** Checks a config and adds the defaults. @param what its name in messages @throws {UsageError} */
export function resolveLeadership(config: LeadershipConfig, limits: LockLimits, what = "config"): Leadership {
  requireFields(what, config, checksFor(limits));
  const {
    contactInfo,
    dc,
    description = defaultDescription,
    lockDelayMs = defaultLockDelayMs,
    ttlMs = defaultTtlMs,
    marginMs = Math.min(ttlMs / 10, maxDefaultMarginMs),
    cooldownMs = defaultCooldownMs,
    stepDownTimeoutMs = defaultStepDownTimeoutMs,
  } = config;
  const key = config.key.replace(/^\/+/, "");
  if (key === "") badArgument(`${what}.key must not be empty`);
  requireMsBetween(0, ttlMs / 2)(`${what}.marginMs`, marginMs);
  return { key, contactInfo, description, lockDelayMs, ttlMs, marginMs, cooldownMs, stepDownTimeoutMs, dc };
}

/** Options that hold a signal and nothing else. @throws {UsageError} */
export function checkedSignal(options: SignalOptions): SignalOptions {
  requireFields("options", options, signalChecks);
  return options;
}

const signalChecks: Checks<SignalOptions> = { signal: requireSignal };

/** One table for each backend: `requireFields` remembers what it has computed for a table. */
const checks = new WeakMap<LockLimits, Checks<LeadershipConfig>>();

function checksFor(limits: LockLimits): Checks<LeadershipConfig> {
  const known = checks.get(limits) ?? newChecks(limits);
  checks.set(limits, known);
  return known;
}

function newChecks({ minTtlMs, maxTtlMs, maxLockDelayMs }: LockLimits): Checks<LeadershipConfig> {
  return {
    key: requireText,
    contactInfo: requireText,
    description: optional(requireText),
    lockDelayMs: optional(requireMsBetween(0, maxLockDelayMs)),
    ttlMs: optional(requireMsBetween(minTtlMs, maxTtlMs)),
    // its limit depends on the TTL
    marginMs: optional(requireMsBetween(0, maxTtlMs)),
    cooldownMs: optional(requireMs),
    stepDownTimeoutMs: optional(requireMs),
    dc: optional(requireText),
  };
}
