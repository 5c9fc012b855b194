import assert from "node:assert/strict";
import test from "node:test";
import { settled } from "./scripted-cluster.js";

/** A mistake of the list in docs/spec/mistakes.md that is found before any request. */
export interface Mistake {
  /** In the list. */
  readonly number: number;
  /** For the name of its test. */
  readonly what: string;
  readonly call: () => unknown;
  /** Of the message. */
  readonly text: RegExp;
}

/** See {@link Mistake}. */
export function mistake(number: number, what: string, call: () => unknown, text: RegExp | string): Mistake {
  return { number, what, call, text: typeof text === "string" ? beginningWith(text) : text };
}

/** One test for each: a UsageError with this message, which quotes no "secret". */
export function testMistakes(mistakes: readonly Mistake[]): void {
  for (const { number, what, call, text } of mistakes) {
    void test(`mistakes: ${what} is refused before any request (M${String(number)})`, async () => {
      const error = await settled(Promise.resolve().then(call));
      assert.ok(error instanceof Error && error.name === "UsageError", String(error));
      assert.match(error.message, text);
      assert.doesNotMatch(error.message, /secret/);
    });
  }
}

/** A value as a JavaScript program may pass it. */
export const wrong = (value: unknown): never => value as never;

function beginningWith(text: string): RegExp {
  return new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")}`);
}
