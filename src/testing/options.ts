import type { EtcdVersion } from "../server/messages.js";
import { requireOptions } from "../util/fields.js";
import { badArgument, requireBoolean, requireText } from "../util/validate.js";
import type { FakeClock } from "./clock.js";

/** Options of a fake etcd. */
export interface FakeEtcdOptions {
  /** How many members the cluster has. @default 1 */
  readonly members?: number | undefined;
  /** The etcd version that it imitates. @default "3.4" */
  readonly version?: EtcdVersion | undefined;
  /** The keys at the start. They are not in the history. @default {} */
  readonly keys?: FakeKeys | undefined;
  /** How many events the history keeps. @default 1000, as etcd */
  readonly historySize?: number | undefined;
  /** The clock: {@link manualClock}, {@link globalClock} or your own. Absent: real time, even if timers are mocked. */
  readonly clock?: FakeClock | undefined;
  /** False: it responds as an etcd without `--enable-v2`. @default true */
  readonly v2?: boolean | undefined;
  /** The password of user root; auth is then on from the start. Absent: auth is off. */
  readonly root?: string | undefined;
  /**
   * How long the members wait before they elect a leader, in ms. Requests that need one fail after seven times as long. etcd's
   * default is 1000. @default 10
   */
  readonly electionTimeoutMs?: number | undefined;
  /** How much longer a request with credentials takes, in ms: a real etcd's bcrypt costs 50 to 100. @default 0 */
  readonly authDelayMs?: number | undefined;
}

/** Keys to write, by path: a value, or a {@link FakeKey}. */
export type FakeKeys = Readonly<Record<string, string | FakeKey>>;

/** A key to write. */
export interface FakeKey {
  /** @default "" */
  readonly value?: string | undefined;
  /** In whole seconds. Absent: the key is permanent. */
  readonly ttl?: number | undefined;
  /** A directory, which has no value. */
  readonly dir?: true | undefined;
}

/** With defaults filled in. */
export type CheckedOptions = Required<{
  [Name in Exclude<keyof FakeEtcdOptions, "clock" | "root">]: NonNullable<FakeEtcdOptions[Name]>;
}> &
  Pick<FakeEtcdOptions, "clock" | "root">;

/** @throws {UsageError} for bad options */
export function checkOptions(options: FakeEtcdOptions = {}): CheckedOptions {
  requireOptions("options", options, optionNames);
  const { version = "3.4", members = 1, historySize = 1000, electionTimeoutMs = 10, authDelayMs = 0 } = options;
  if (!["3.3", "3.4", "3.5"].includes(version)) badArgument('version must be "3.3", "3.4" or "3.5"');
  requireWhole("members", members, 1, 99);
  requireWhole("historySize", historySize, 1, Number.MAX_SAFE_INTEGER);
  requireWhole("electionTimeoutMs", electionTimeoutMs, 1, 60_000);
  requireWhole("authDelayMs", authDelayMs, 0, 60_000);
  requireBoolean("v2", options.v2);
  if (options.root !== undefined) requireText("root", options.root);
  if (options.root === "") badArgument("root must not be empty: etcd takes no empty password");
  const { keys = {}, v2 = true, clock, root } = options;
  checkKeys(keys);
  return { version, members, historySize, electionTimeoutMs, authDelayMs, keys, v2, clock, root };
}

/** @throws {UsageError} for keys that etcd would refuse */
export function checkKeys(keys: FakeKeys): void {
  if (typeof keys !== "object") badArgument("keys must be an object: keys and their values");
  for (const [key, entry] of Object.entries(keys)) {
    requireText("a key", key);
    const what = `the entry of key "${key}"`;
    if (typeof entry === "string") {
      requireText(what, entry);
      continue;
    }
    requireOptions(what, entry, keyNames);
    const { value, ttl, dir } = entry;
    if (value !== undefined) requireText(`"value" of ${what}`, value);
    if (ttl !== undefined) requireWhole(`"ttl" of ${what}`, ttl, 0, Number.MAX_SAFE_INTEGER);
    if (dir !== undefined && (dir as unknown) !== true) badArgument(`"dir" of ${what} must be true or absent`);
    if (dir === true && value !== undefined)
      badArgument(`${what} has both "dir" and "value": a directory has no value`);
  }
}

/** A whole number between two others. @throws {UsageError} */
export function requireWhole(what: string, value: unknown, least: number, most: number): asserts value is number {
  if (!Number.isSafeInteger(value) || Number(value) < least || Number(value) > most)
    badArgument(`${what} must be a whole number from ${String(least)} to ${String(most)}, got ${String(value)}`);
}

const optionNames: ReadonlySet<string> = new Set<keyof FakeEtcdOptions>([
  "members",
  "version",
  "keys",
  "historySize",
  "clock",
  "v2",
  "root",
  "electionTimeoutMs",
  "authDelayMs",
]);

const keyNames: ReadonlySet<string> = new Set<keyof FakeKey>(["value", "ttl", "dir"]);
