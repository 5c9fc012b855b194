import assert from "node:assert/strict";
import test from "node:test";
import { UsageError } from "../util/errors.js";
import { isFinal } from "./errors.js";

test("election: bad arguments and errors of the program end it at once (FF19)", () => {
  const errors = [
    new UsageError("ERR_CLOSED", "the client is closed"),
    new TypeError("undefined is not a function"),
    new RangeError("out of range"),
    new assert.AssertionError({ message: "not this one" }),
  ];
  for (const error of errors) assert.equal(isFinal(error), true, error.message);
});

test("election: a failure of the network, as fetch reports it too, does not end it (FF19)", () => {
  const refused = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" });
  for (const error of [refused, new TypeError("fetch failed", { cause: refused })]) {
    assert.equal(isFinal(error), false, error.message);
  }
});
