import { UsageError } from "./errors.js";
import { maxTimerMs } from "./signals.js";

/** Refuses an argument. @throws {UsageError} `ERR_ARGUMENT`, always */
export function badArgument(message: string): never {
  throw new UsageError("ERR_ARGUMENT", message);
}

/** A string that UTF-8 can encode: a lone surrogate would reach etcd as U+FFFD. It is never quoted, since it may be secret. */
export function requireText(what: string, text: unknown): asserts text is string {
  if (typeof text !== "string") badArgument(`${what} must be a string, got ${kindOf(text)}`);
  if (!text.isWellFormed()) badArgument(`${what} contains a lone surrogate, which UTF-8 cannot encode`);
}

/** A boolean, or undefined. */
export function requireBoolean(what: string, value: unknown): asserts value is boolean | undefined {
  if (value !== undefined && typeof value !== "boolean")
    badArgument(`${what} must be true or false, got ${kindOf(value)}`);
}

/** A function, or undefined. */
export function requireFunction(what: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function")
    badArgument(`${what} must be a function, got ${kindOf(value)}`);
}

/** A name that is one segment of a path. Servers accept no other, and an empty one would address all of them. */
export function requireName(what: string, name: unknown): asserts name is string {
  requireText(what, name);
  if (name === "" || name === "." || name === ".." || name.includes("/")) {
    badArgument(`${what} must not be "", "." or "..", and must not contain "/"`);
  }
}

/** A client, or anything else with a `send` method. */
export function requireSender(
  what: string,
  sender: unknown,
  example = "a Client, as in new Client({ endpoints: [...] })",
): void {
  if (typeof sender !== "object" || sender === null || !("send" in sender) || typeof sender.send !== "function")
    badArgument(`${what} must be ${example}, or have its send method; got ${kindOf(sender)}`);
}

/** What the layers take as their client: a `Client`, anything else with a `send`, or a `KeysAPI`. */
export function requireKeysClient(what: string, client: unknown): void {
  if (typeof client === "object" && client !== null && ["get", "set", "watcher"].every((name) => name in client))
    return;
  requireSender(what, client);
}

/** A signal, or undefined. Signals of other realms and of polyfills count. */
export function requireSignal(what: string, value: unknown): asserts value is AbortSignal | undefined {
  if (value === undefined || isSignal(value)) return;
  if (typeof value === "function" && what === "signal")
    badArgument("signal must be an AbortSignal, got function; there is no callback: the call returns a promise");
  const owner = typeof value === "object" && value !== null && "signal" in value && isSignal(value.signal);
  badArgument(`${what} must be an AbortSignal, got ${kindOf(value)}${owner ? "; pass its field signal" : ""}`);
}

/** Whether this is a signal, of whatever realm or polyfill. */
export function isSignal(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (!("aborted" in value) || typeof value.aborted !== "boolean") return false;
  if (!("addEventListener" in value) || typeof value.addEventListener !== "function") return false;
  return "removeEventListener" in value && typeof value.removeEventListener === "function";
}

/** An etcd index: a whole number that a double holds exactly. */
export function requireIndex(what: string, value: unknown): asserts value is number {
  if (!Number.isSafeInteger(value) || Number(value) < 0)
    badArgument(`${what} must be a whole number from 0 to 2^53-1, got ${show(value)}`);
}

/** In seconds, about 222 years. Above ~7.4e9 the server's arithmetic overflows: the key is permanent, or gone at once. */
const maxTtl = 7e9;

/** A TTL in seconds, above 0: etcd takes `ttl=0` as "expire now". */
export function requireTtl(what: string, value: unknown): asserts value is number {
  if (typeof value === "number" && value > 0 && value <= maxTtl) return;
  // an argument of its own cannot be left out
  const absent = what.includes(".") ? "; leave it out for no expiry" : "";
  badArgument(`${what} must be a number of seconds above 0 and at most 7e9, got ${show(value)}${absent}`);
}

/** The TTL of an entry, in ms: etcd counts whole seconds, so a smaller one is most likely a number of seconds. */
export function requireTtlMs(what: string, value: unknown): asserts value is number {
  if (typeof value !== "number" || !(value >= 1_000 && value <= maxTtl * 1_000)) {
    badArgument(`${what} must be a number of milliseconds from 1000 to 7e12, got ${show(value)}`);
  }
}

/** A duration for a timer, in ms; `Infinity` for no limit. */
export function requireMs(what: string, value: unknown): asserts value is number {
  if (value === Infinity) return;
  if (typeof value !== "number" || !(value > 0 && value <= maxTimerMs)) {
    badArgument(`${what} must be a number of milliseconds above 0 and at most 2^31-1, or Infinity, got ${show(value)}`);
  }
}

/** A time budget, in ms; 0 for none, `Infinity` for no limit. */
export function requireRetryForMs(what: string, value: unknown): asserts value is number {
  if (value === 0 || value === Infinity) return;
  if (typeof value !== "number" || !(value > 0 && value <= maxTimerMs))
    badArgument(`${what} must be a number of milliseconds from 0 to 2^31-1, or Infinity, got ${show(value)}`);
}

/** Makes a check for a number of milliseconds between two others, both included. */
export function requireMsBetween(min: number, max: number): (what: string, value: unknown) => void {
  return (what, value) => {
    if (typeof value !== "number" || !(value >= min && value <= max)) {
      badArgument(`${what} must be a number of milliseconds from ${String(min)} to ${String(max)}, got ${show(value)}`);
    }
  };
}

/** A whole number of at least `min`; `Infinity` for no limit. */
export function requireCount(what: string, value: unknown, min: number): asserts value is number {
  if (value === Infinity) return;
  if (!Number.isSafeInteger(value) || Number(value) < min)
    badArgument(`${what} must be a whole number from ${String(min)}, or Infinity, got ${show(value)}`);
}

/** A value as a message may show it: numbers and booleans as they are, everything else by its kind. */
export function show(value: unknown): string {
  return typeof value === "number" || typeof value === "bigint" || typeof value === "boolean"
    ? String(value)
    : kindOf(value);
}

/** The kind of a value, for a message that must not quote it. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value;
}
