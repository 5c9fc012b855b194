import assert from "node:assert/strict";
import test from "node:test";
import { runInNewContext } from "node:vm";
import { inspect } from "node:util";
import { errorCode, plainCause } from "./plain-cause.js";

class RequestError extends Error {
  override readonly name = "RequestError";
  readonly code = "ECONNRESET";
  readonly options = { password: "secret" };
}

test("plain cause: keeps name, message and code of a foreign error, and nothing else", () => {
  const foreign = new RequestError("read ECONNRESET", { cause: new Error("secret") });
  const cause = plainCause(foreign);
  assert.ok(cause instanceof Error && !(cause instanceof RequestError));
  assert.deepEqual(
    [cause.name, cause.message, errorCode(cause), cause.stack],
    ["RequestError", "read ECONNRESET", "ECONNRESET", "RequestError: read ECONNRESET"],
  );
  assert.doesNotMatch(inspect(cause, { depth: 10, showHidden: true }), /secret/);
  assert.ok(!("code" in plainCause(new TypeError("t"))));
});

for (const thrown of [undefined, null, "secret", { message: "secret" }]) {
  test(`plain cause: ${inspect(thrown)} becomes an error that does not quote it`, () => {
    assert.equal(plainCause(thrown).message, "something that is not an error was thrown");
  });
}

test("errorCode: strings only, of errors only", () => {
  const coded = (code: unknown): Error => Object.assign(new Error("m"), { code });
  assert.deepEqual([coded("EPIPE"), coded(5), new Error("m"), { code: "EPIPE" }, undefined].map(errorCode), [
    "EPIPE",
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test("plain cause: an error of another realm keeps its message and code (FF38)", () => {
  const foreign: unknown = runInNewContext(
    'Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:2379"), { code: "ECONNREFUSED", options: "secret" })',
  );
  const cause = plainCause(foreign);
  assert.equal(cause.message, "connect ECONNREFUSED 127.0.0.1:2379");
  assert.equal(errorCode(cause), "ECONNREFUSED");
  assert.doesNotMatch(JSON.stringify(Object.entries(cause)), /secret/);
});

test("plain cause: an AggregateError without a message gets those of its errors, and their code (FF14)", () => {
  const refused = (address: string): Error =>
    Object.assign(new Error(`connect ECONNREFUSED ${address}`), { code: "ECONNREFUSED" });
  const several = new AggregateError([refused("::1:9"), refused("127.0.0.1:9")]);
  const wrapped = Object.assign(new Error("", { cause: several }), { name: "RequestError" });
  for (const error of [several, wrapped]) {
    const cause = plainCause(error);
    assert.equal(cause.message, "connect ECONNREFUSED ::1:9, connect ECONNREFUSED 127.0.0.1:9");
    assert.equal(errorCode(cause), "ECONNREFUSED");
    assert.match(cause.stack ?? "", /127\.0\.0\.1:9/);
  }
});

test("plain cause: an AggregateError with a message keeps it; one without any message stays empty (FF14)", () => {
  assert.equal(plainCause(new AggregateError([new Error("a")], "several")).message, "several");
  assert.equal(plainCause(new AggregateError([])).message, "");
});
