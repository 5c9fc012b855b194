import assert from "node:assert/strict";
import test from "node:test";
import { UsageError } from "./errors.js";
import { requireOptions } from "./fields.js";
import {
  requireBoolean,
  requireCount,
  requireFunction,
  requireIndex,
  requireMs,
  requireName,
  requireSender,
  requireSignal,
  requireText,
  requireTtl,
} from "./validate.js";

type Check = (what: string, value: unknown) => void;

const nobody = (): void => undefined;

/** Each check, what it takes, and what it refuses; nothing that is refused may be quoted if it is text. */
const table: readonly (readonly [string, Check, readonly unknown[], readonly unknown[]])[] = [
  ["requireText", requireText, ["", "a", "😀", "\0"], [undefined, null, 5, [], "secret\ud83d", "\ude00secret"]],
  ["requireBoolean", requireBoolean, [undefined, true, false], [null, 0, "true"]],
  ["requireFunction", requireFunction, [undefined, nobody], [null, {}, "secret"]],
  ["requireName", requireName, ["a", "...", "a b", "ü", "%2F"], ["", ".", "..", "a/b", "/", undefined, "secret\ud83d"]],
  [
    "requireSignal",
    requireSignal,
    // the last is another realm's or a polyfill's
    [
      undefined,
      AbortSignal.abort(),
      new AbortController().signal,
      { aborted: false, addEventListener: nobody, removeEventListener: nobody },
    ],
    [null, {}, new AbortController(), { aborted: false }],
  ],
  ["requireIndex", requireIndex, [0, 1, 2 ** 53 - 1], [undefined, -1, 0.5, NaN, Infinity, 2 ** 53, "5", 5n]],
  ["requireTtl", requireTtl, [1, 0.001, 7e9], [undefined, null, 0, -1, NaN, Infinity, 7e9 + 1, "5", 5n]],
  ["requireMs", requireMs, [1, 0.5, 2 ** 31 - 1, Infinity], [undefined, null, 0, -1, NaN, -Infinity, 2 ** 31, "5"]],
  [
    "requireCount",
    (what, value) => {
      requireCount(what, value, 1);
    },
    [1, 5, Infinity],
    [undefined, null, 0, 1.5, NaN, -Infinity, "5"],
  ],
  ["requireSender", requireSender, [{ send: nobody }], [undefined, null, "secret", nobody, {}, { send: "secret" }]],
  [
    "requireOptions",
    (what, value) => {
      requireOptions(what, value, new Set(["a"]));
    },
    [undefined, {}, { a: undefined }],
    [null, 5, "secret", { b: 1 }, ["x"], Object.create({ b: 1 })],
  ],
];

for (const [name, check, good, bad] of table) {
  test(`${name}: accepts good values and refuses others by name, never quoting them`, () => {
    for (const value of good) check("options.it", value);
    for (const value of bad) {
      assert.throws(
        () => {
          check("options.it", value);
        },
        (error) => {
          assert.ok(error instanceof UsageError && error.code === "ERR_ARGUMENT");
          assert.match(error.message, /^options\.it (must|has|contains)/);
          assert.doesNotMatch(error.message, /secret/);
          return true;
        },
        `${typeof value} ${JSON.stringify(typeof value === "bigint" ? "5n" : value)} was taken`,
      );
    }
  });
}
