import assert from "node:assert/strict";
import test from "node:test";
import { runInNewContext } from "node:vm";
import { asErrorLike, messageOf } from "./error-like.js";

const foreign: unknown = runInNewContext('Object.assign(new TypeError("no way"), { code: "E_FOREIGN" })');

test("error-like: an error of another realm is an error (FF38)", () => {
  assert.ok(!(foreign instanceof Error));
  assert.deepEqual(asErrorLike(foreign), { name: "TypeError", message: "no way", code: "E_FOREIGN" });
  assert.equal(messageOf(foreign), "no way");
});

test("error-like: an error without a message is named by its code or its name", () => {
  const failedConnect = Object.assign(new AggregateError([new Error("a"), new Error("b")]), { code: "ECONNREFUSED" });
  assert.equal(messageOf(failedConnect), "ECONNREFUSED");
  assert.equal(messageOf(new RangeError()), "RangeError");
  assert.equal(messageOf({ message: "", name: "" }), "Error");
});

test("error-like: a value that is not an error is never quoted", () => {
  for (const value of ["secret", 5, undefined, null, { secret: true }, { message: 5 }, { message: "secret" }]) {
    assert.equal(asErrorLike(value), undefined);
    assert.equal(messageOf(value), "something that is not an error was thrown");
  }
});

test("error-like: a code that is not a string is left out", () => {
  assert.deepEqual(asErrorLike(Object.assign(new Error("x"), { code: 5 })), { name: "Error", message: "x" });
});
