import assert from "node:assert/strict";
import test from "node:test";
import { anything, optional, requireFields, type Checks } from "./fields.js";
import { requireBoolean, requireFunction, requireMs, requireSignal, requireText } from "./validate.js";

interface Options {
  readonly name: string;
  readonly retryMs?: number | undefined;
  readonly dry?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onError?: ((error: unknown) => void) | undefined;
  readonly extra?: unknown;
}

const checks: Checks<Options> = {
  name: requireText,
  retryMs: optional(requireMs),
  dry: requireBoolean,
  signal: requireSignal,
  onError: requireFunction,
  extra: anything,
};

function refused(options: unknown, message: string): void {
  assert.throws(
    () => {
      requireFields("options", options as Options, checks);
    },
    { name: "UsageError", code: "ERR_ARGUMENT", message },
  );
}

test("fields: good options pass, undefined fields count as absent", () => {
  requireFields<Options>("options", { name: "a" }, checks);
  requireFields<Options>(
    "options",
    { name: "a", retryMs: 1, dry: true, signal: AbortSignal.abort(), onError: () => undefined, extra: {} },
    checks,
  );
  requireFields<Options>("options", { name: "a", retryMs: undefined, dry: undefined, signal: undefined }, checks);
});

test("fields: missing options are a UsageError that names what is missing (FF48)", () => {
  refused(undefined, 'options must be an object with "name", got undefined');
  refused(null, 'options must be an object with "name", got null');
  refused("a", 'options must be an object with "name", got string');
  refused(["a"], 'options must be an object with "name", got an array');
  refused({}, "options.name must be a string, got undefined");
  refused({ name: undefined, dry: true }, "options.name must be a string, got undefined");
});

test("fields: options without a required field may be left out, but not be null (FF48)", () => {
  const none: Checks<Pick<Options, "dry">> = { dry: requireBoolean };
  requireFields("options", undefined, none);
  assert.throws(
    () => {
      requireFields("options", null as never, none);
    },
    { code: "ERR_ARGUMENT", message: "options must be an object, got null" },
  );
});

test("fields: a field of the wrong type is named", () => {
  refused({ name: 5 }, "options.name must be a string, got number");
  refused({ name: "a", dry: "yes" }, "options.dry must be true or false, got string");
  refused({ name: "a", onError: null }, "options.onError must be a function, got null");
  refused({ name: "a", signal: {} }, "options.signal must be an AbortSignal, got object");
});

test("fields: an unknown name gets the nearest one, or the list", () => {
  refused({ name: "a", sginal: 1 }, 'options has no field "sginal"; did you mean "signal"?');
  refused({ name: "a", retryMS: 1 }, 'options has no field "retryMS"; did you mean "retryMs"?');
  refused(
    { name: "a", ttl: undefined },
    'options has no field "ttl"; its fields are name, retryMs, dry, signal, onError, extra',
  );
});

test("fields: inherited options count, methods that old libraries add to Object.prototype do not", (t) => {
  requireFields<Options>("options", Object.create({ name: "a" }) as Options, checks);
  refused(Object.create({ name: "a", dyr: true }), 'options has no field "dyr"; did you mean "dry"?');
  Object.defineProperty(Object.prototype, "oldMethod", { value: () => 1, enumerable: true, configurable: true });
  t.after(() => Reflect.deleteProperty(Object.prototype, "oldMethod"));
  requireFields<Options>("options", { name: "a" }, checks);
});

test("fields: the compiler refuses a table that leaves a field out, or has one too many", () => {
  // @ts-expect-error "onError" and "extra" are missing
  const incomplete: Checks<Options> = { name: requireText, retryMs: requireMs, dry: requireBoolean, signal: anything };
  // @ts-expect-error there is no "dyr"
  const wrong: Checks<Pick<Options, "dry">> = { dyr: requireBoolean };
  assert.deepEqual(
    [incomplete, wrong].map((table) => Object.keys(table).length),
    [4, 1],
  );
});
