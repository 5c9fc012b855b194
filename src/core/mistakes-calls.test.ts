// Mistakes in calls, which are found before any request. The numbers are those of docs/spec/mistakes.md.
import assert from "node:assert/strict";
import test from "node:test";
import { mistake, testMistakes, wrong } from "../test-kit/mistakes.js";
import { settled } from "../test-kit/scripted-cluster.js";
import { Client } from "./client.js";
import { KeysAPI } from "./keys.js";
import { MembersAPI } from "./members.js";
import { SrvDiscoverer } from "./srv-discoverer.js";
import { StatsAPI } from "./stats.js";

const client = new Client({ endpoints: ["http://127.0.0.1:2379"] });
const keys = new KeysAPI(client);
const nothing = (): void => undefined;
/** Calls a method with more arguments than it has. */
const called = (object: object, method: string, ...args: unknown[]): unknown =>
  (Reflect.get(object, method) as (...args: unknown[]) => unknown).apply(object, args);

testMistakes([
  ...(
    [
      ["a number", 5, "number"],
      ["undefined", undefined, "undefined"],
      ["null", null, "null"],
      ["a boolean", true, "boolean"],
      ["an object", { a: 1 }, "object; use JSON.stringify, or keys.withCodec(jsonCodec())"],
      ["an array", ["secret"], "an array; use JSON.stringify"],
      ["a Buffer", Buffer.from("secret"), 'bytes; etcd stores text: encode them, as in buffer.toString("base64")'],
    ] as const
  ).map(([what, value, got]) =>
    mistake(35, `${what} as value`, () => keys.set("/k", wrong(value)), `value must be a string, got ${got}`),
  ),
  mistake(
    36,
    "options in place of the value",
    () => keys.set("/k", wrong({ ttl: 5 })),
    /^value must be a string, got what looks like options; the value comes before them, and that of a directory is ""$/,
  ),
  mistake(
    36,
    "a directory without a value",
    () => keys.create("/k", wrong({ dir: true })),
    /the value comes before them, and that of a directory is ""$/,
  ),
  ...[-1, 0, NaN, "60", Infinity].map((ttl) =>
    mistake(
      38,
      `ttl ${String(ttl)}`,
      () => keys.set("/k", "v", { ttl: wrong(ttl) }),
      `options.ttl must be a number of seconds above 0 and at most 7e9, got ${typeof ttl === "string" ? "string" : String(ttl)}; leave it out for no expiry`,
    ),
  ),
  mistake(
    38,
    "a TTL as third argument",
    () => keys.set("/k", "v", wrong(60)),
    /^options must be an object, as in \{ ttl: 60 \}, got number$/,
  ),
  mistake(
    38,
    "a refresh without ttl",
    () => keys.refresh("/k", wrong(undefined)),
    /^ttl must be a number of seconds above 0 and at most 7e9, got undefined$/,
  ),
  ...(
    [
      ["prevExists", 'did you mean "prevExist"?'],
      ["TTL", 'did you mean "ttl"?'],
      ["ttlMs", 'did you mean "ttl"? It is in seconds'],
      ["wait", "to wait for a change use keys.watcher()"],
      ["waitIndex", "to wait for a change use keys.watcher()"],
      ["maxRetries", 'did you mean "retryForMs"?'],
      ["timeout", "pass signal: AbortSignal.timeout(ms)"],
      ["ifNotExists", "pass prevExist: false, or use keys.create()"],
    ] as const
  ).map(([name, hint]) =>
    mistake(
      39,
      `the option ${name}`,
      () => keys.set("/k", "v", wrong({ [name]: 5 })),
      `options has no field "${name}"; ${hint}`,
    ),
  ),
  mistake(
    39,
    "the option sorted",
    () => keys.get("/k", wrong({ sorted: true })),
    /^options has no field "sorted"; did you mean "sort"\?$/,
  ),
  mistake(
    39,
    "waitIndex of a watcher",
    () => keys.watcher("/k", wrong({ waitIndex: 5 })),
    /^options has no field "waitIndex"; did you mean "afterIndex"\? The first event is the one after that index$/,
  ),
  mistake(
    39,
    "the signal of a watcher",
    () => keys.watcher("/k", wrong({ signal: AbortSignal.abort() })),
    /^options has no field "signal"; pass it to next\(signal\) or events\(signal\)$/,
  ),
  mistake(
    40,
    "a prevIndex that is text",
    () => keys.set("/k", "v", { prevIndex: wrong("7") }),
    /^options\.prevIndex must be a whole number from 0 to 2\^53-1, got string$/,
  ),
  mistake(
    40,
    "an empty prevValue",
    () => keys.set("/k", "v", { prevValue: "" }),
    /^options\.prevValue "" cannot be compared by etcd: use options\.prevIndex$/,
  ),
  mistake(
    40,
    "prevIndex 0",
    () => keys.set("/k", "v", { prevIndex: 0 }),
    /^options\.prevIndex 0 would be no condition for etcd: leave it out, or use options\.prevExist false$/,
  ),
  mistake(
    41,
    "a callback in place of options",
    () => keys.get("/k", wrong(nothing)),
    /^get takes no callback: it returns a promise$/,
  ),
  mistake(
    41,
    "a callback in place of a signal",
    () => new MembersAPI(client).list(wrong(nothing)),
    /^signal must be an AbortSignal, got function; there is no callback: the call returns a promise$/,
  ),
  mistake(
    42,
    "a callback after the options of get",
    () => called(keys, "get", "/k", {}, nothing),
    /^get takes no callback: it returns a promise$/,
  ),
  mistake(
    42,
    "a callback after the options of set",
    () => called(keys, "set", "/k", "v", {}, nothing),
    /^set takes no callback: it returns a promise$/,
  ),
  mistake(42, "too many arguments", () => called(keys, "delete", "/k", {}, 5), /^delete has too many arguments$/),
  mistake(
    43,
    "a callback for a watcher",
    () => keys.watcher("/k", wrong(nothing)),
    /^watcher takes no callback: use for await \(const event of watcher\), or next\(\)$/,
  ),
  mistake(
    43,
    "a callback after the options of a watcher",
    () => called(keys, "watcher", "/k", {}, nothing),
    /^watcher takes no callback: use for await/,
  ),
  mistake(
    43,
    "a callback for next",
    () => keys.watcher("/k").next(wrong(nothing)),
    /^signal must be an AbortSignal, got function; there is no callback/,
  ),
  mistake(
    44,
    "a controller as signal",
    () => keys.get("/k", { signal: wrong(new AbortController()) }),
    /^options\.signal must be an AbortSignal, got object; pass its field signal$/,
  ),
  mistake(
    44,
    "a number as signal",
    () => keys.get("/k", { signal: wrong(5) }),
    /^options\.signal must be an AbortSignal, got number$/,
  ),
  mistake(
    44,
    "next({ signal })",
    () => keys.watcher("/k").next(wrong({ signal: AbortSignal.abort() })),
    /^signal must be an AbortSignal, got object; pass its field signal$/,
  ),
  mistake(
    44,
    "a signal in place of options",
    () => keys.get("/k", wrong(AbortSignal.abort())),
    /^options must be an object, as in \{ signal \}, got a signal$/,
  ),
  mistake(
    53,
    "a key of 5,000 bytes",
    () => keys.get(`/${"x".repeat(5_000)}`),
    /^the request line would have \d+ bytes, etcd takes 4096 without TLS: shorten the key, /,
  ),
  mistake(54, "no domain for SRV records", () => new SrvDiscoverer().discover(""), /^domain must not be empty$/),
  // next to the list
  mistake(
    26,
    "an endpoint of another cluster for statistics",
    () => new StatsAPI(client).self({ endpoint: "http://other:2379" }),
    /endpoint "http:\/\/other:2379" is not one of this client's endpoints/,
  ),
  mistake(
    38,
    "a negative budget",
    () => keys.get("/k", { retryForMs: -1 }),
    /retryForMs must be a number of milliseconds from 0 to/,
  ),
]);

test("mistakes: a TTL above a week is accepted, with one process warning that asks for the unit (M37)", async () => {
  const warnings: Error[] = [];
  const listen = (warning: Error): void => void warnings.push(warning);
  process.on("warning", listen);
  const sent: unknown[] = [];
  const counting = new KeysAPI({ send: (spec) => Promise.reject(new Error(String(sent.push(spec)))) });
  for (const ttl of [7 * 86_400, 604_800_000, 604_800_000]) await settled(counting.set("/k", "v", { ttl }));
  await settled(counting.refresh("/k", 604_800_000));
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", listen);
  assert.equal(sent.length, 4);
  assert.deepEqual(
    warnings.map((warning) => [(warning as Error & { readonly code?: string }).code, warning.message]),
    [["ETCD2_LONG_TTL", "options.ttl is in seconds, and 604800000 are 7000 days: was it meant in milliseconds?"]],
  );
});
