import { badArgument, requireText, show } from "../util/validate.js";

/**
 * Writes a duration as Go and Consul do, such as `1m30s` or `1.5ms`.
 *
 * @param ms milliseconds
 * @throws {UsageError} for a number that is not finite
 *
 * @example
 * formatDuration(90_000); // "1m30s"
 */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) badArgument(`a duration must be a finite number of milliseconds, got ${show(ms)}`);
  const sign = ms < 0 ? "-" : "";
  const ns = Math.round(Math.abs(ms) * nsPerMs);
  if (ns === 0) return "0s";
  if (ns < 1_000) return `${sign}${String(ns)}ns`;
  if (ns < nsPerMs) return `${sign}${decimal(ns, 1_000)}µs`;
  if (ns < nsPerSecond) return `${sign}${decimal(ns, nsPerMs)}ms`;
  const minutes = Math.floor(ns / (60 * nsPerSecond));
  const seconds = `${decimal(ns - minutes * 60 * nsPerSecond, nsPerSecond)}s`;
  if (minutes === 0) return sign + seconds;
  const hours = Math.floor(minutes / 60);
  return `${sign}${hours === 0 ? "" : `${String(hours)}h`}${String(minutes % 60)}m${seconds}`;
}

/**
 * Reads a duration as Go and Consul write it. Returns milliseconds.
 *
 * @throws {UsageError} for any other text
 *
 * @example
 * parseDuration("1m30s"); // 90000
 */
export function parseDuration(text: string): number {
  requireText("duration", text);
  const ms = durationMs(text);
  return ms ?? badArgument('a duration is written like "90s", "1m30s" or "1.5h": a unit after each number');
}

/** Reads a duration, in ms; undefined for any other text. */
export function durationMs(text: string): number | undefined {
  const [, sign, parts = ""] = /^([-+]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/.exec(text) ?? [];
  if (sign === undefined) return undefined;
  let ns = 0;
  for (const [, number, unit = ""] of parts.matchAll(/([\d.]+)([a-zµμ]+)/g))
    ns += Number(number) * (unitNs.get(unit) ?? NaN);
  return ((sign === "-" ? -1 : 1) * ns) / nsPerMs || 0;
}

/** `ns` in a unit, with as many decimals as needed. */
function decimal(ns: number, unit: number): string {
  const rest = ns % unit;
  const decimals = String(rest).padStart(Math.log10(unit), "0").replace(/0+$/, "");
  return String(Math.floor(ns / unit)) + (rest === 0 ? "" : `.${decimals}`);
}

const nsPerMs = 1e6;
const nsPerSecond = 1e9;
const unitNs: ReadonlyMap<string, number> = new Map([
  ["ns", 1],
  ["us", 1e3],
  ["µs", 1e3],
  ["μs", 1e3],
  ["ms", nsPerMs],
  ["s", nsPerSecond],
  ["m", 60 * nsPerSecond],
  ["h", 3_600 * nsPerSecond],
]);
