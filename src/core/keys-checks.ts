import { optional, requireFields, type Checks, type OtherNames } from "../util/fields.js";
import {
  badArgument,
  kindOf,
  requireBoolean,
  requireIndex,
  requireRetryForMs,
  requireSignal,
  requireText,
} from "../util/validate.js";
import { requireKeyTtl } from "./key-ttl.js";
import {
  requireNoCallback,
  type CreateInOrderOptions,
  type CreateOptions,
  type DeleteOptions,
  type GetOptions,
  type RefreshOptions,
  type SetOptions,
  type UpdateOptions,
} from "./keys-options.js";

const getChecks: Checks<GetOptions> = {
  recursive: requireBoolean,
  sort: requireBoolean,
  quorum: requireBoolean,
  retryForMs: optional(requireRetryForMs),
  signal: requireSignal,
};

const writeChecks = {
  prevValue: optional(requireText),
  prevIndex: optional(requireIndex),
  ttl: optional(requireKeyTtl),
  dir: requireBoolean,
  resend: requireBoolean,
  retryForMs: optional(requireRetryForMs),
  signal: requireSignal,
};

const setChecks: Checks<SetOptions> = {
  ...writeChecks,
  prevExist: requireBoolean,
  refresh: requireBoolean,
  noValueOnSuccess: requireBoolean,
};

const createChecks: Checks<CreateOptions> = {
  ttl: writeChecks.ttl,
  dir: requireBoolean,
  retryForMs: optional(requireRetryForMs),
  signal: requireSignal,
};

const updateChecks: Checks<UpdateOptions> = writeChecks;

const refreshChecks: Checks<RefreshOptions> = {
  prevValue: writeChecks.prevValue,
  prevIndex: writeChecks.prevIndex,
  dir: requireBoolean,
  resend: requireBoolean,
  retryForMs: optional(requireRetryForMs),
  signal: requireSignal,
};

const createInOrderChecks: Checks<CreateInOrderOptions> = { ...createChecks };

const deleteChecks: Checks<DeleteOptions> = {
  prevValue: writeChecks.prevValue,
  prevIndex: writeChecks.prevIndex,
  recursive: requireBoolean,
  dir: requireBoolean,
  retryForMs: optional(requireRetryForMs),
  signal: requireSignal,
};

/** What other clients call these options. */
const otherNames: OtherNames = {
  "to wait for a change use keys.watcher()": "wait waitindex",
  "pass signal: AbortSignal.timeout(ms)": "timeout timeoutms requesttimeout",
  'did you mean "retryForMs"?': "maxretries maxretry retries retry",
  'did you mean "quorum"?': "consistent consistency linearizable",
  'did you mean "ttl"? It is in seconds': "expire expires expiry lease ttlms ttlseconds",
  "pass prevExist: false, or use keys.create()": "ifnotexists nx",
};

const callChecks = {
  get: getChecks,
  set: setChecks,
  create: createChecks,
  update: updateChecks,
  refresh: refreshChecks,
  createInOrder: createInOrderChecks,
  delete: deleteChecks,
};

/** Checks the options of a call, and that nothing follows them: a callback would never be called. */
export function requireCall(method: keyof typeof callChecks, options: object, extra: readonly unknown[]): void {
  requireNoCallback(method, "it returns a promise", options, extra);
  if (typeof options === "number") badArgument("options must be an object, as in { ttl: 60 }, got number");
  requireFields<object>("options", options, callChecks[method], otherNames);
}

/** Refuses combinations of options that etcd would reject, or take for something else. */
export function requireWrite(value: unknown, options: SetOptions): void {
  const { prevExist, prevValue, prevIndex, ttl, refresh, dir, resend } = options;
  if (typeof value === "object" && value !== null) badArgument(`value must be a string, got ${objectAsValue(value)}`);
  requireText("value", value);
  requireConditions(options);
  const compares = prevValue !== undefined || prevIndex !== undefined;
  if (prevExist === false && compares) {
    badArgument("options.prevExist false cannot be combined with prevValue or prevIndex: etcd would ignore those");
  }
  if (resend === true && (compares || prevExist === false || (dir === true && prevExist !== true))) {
    badArgument("options.resend is for writes without a condition: sent twice, this one could fail by itself");
  }
  if (dir === true) {
    if (value !== "") badArgument('a directory has no value: pass "" with options.dir');
    if (prevValue !== undefined) badArgument("options.prevValue cannot be combined with options.dir: use prevIndex");
  }
  if (refresh !== true) return;
  if (value !== "") badArgument('a refresh keeps the value: pass "" with options.refresh');
  if (ttl === undefined) badArgument("a refresh needs options.ttl");
}

/** What to do with an object that was passed as the value. */
function objectAsValue(value: object): string {
  if (ArrayBuffer.isView(value)) return 'bytes; etcd stores text: encode them, as in buffer.toString("base64")';
  const names = Object.keys(value);
  if (names.length > 0 && names.every((name) => Object.hasOwn(setChecks, name)))
    return 'what looks like options; the value comes before them, and that of a directory is ""';
  return `${kindOf(value)}; use JSON.stringify, or keys.withCodec(jsonCodec())`;
}

/** Refuses conditions that would be none for etcd. */
export function requireConditions({ prevValue, prevIndex }: Pick<SetOptions, "prevValue" | "prevIndex">): void {
  if (prevValue === "") badArgument('options.prevValue "" cannot be compared by etcd: use options.prevIndex');
  if (prevIndex === 0)
    badArgument("options.prevIndex 0 would be no condition for etcd: leave it out, or use options.prevExist false");
}
