import { requireTtl } from "../util/validate.js";

/** Longer TTLs, in seconds, cause a warning: most of them are meant as milliseconds. */
const longTtl = 7 * 24 * 3_600;

let hasWarned = false;

/**
 * A TTL of etcd's keys, in whole seconds. One above a week is accepted, with a process warning (code `ETCD2_LONG_TTL`),
 * once per process: a number of milliseconds cannot be recognized otherwise.
 */
export function requireKeyTtl(what: string, value: unknown): asserts value is number {
  requireTtl(what, value);
  if (value <= longTtl || hasWarned) return;
  hasWarned = true;
  const days = String(Math.round(value / 86_400));
  process.emitWarning(`${what} is in seconds, and ${String(value)} are ${days} days: was it meant in milliseconds?`, {
    type: "Etcd2Warning",
    code: "ETCD2_LONG_TTL",
  });
}
